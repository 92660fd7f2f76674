"""One call of each Python package of the sweep, as its documentation shows it: nothing of a proxy or of certificates in it.

    calls.py PACKAGE [with]

With `with` it is done as the table's column `needs` says."""

import asyncio
import os
import sys

OPTION = sys.argv[2:] == ["with"]
MESSAGES = [{"role": "user", "content": "hello"}]


def key(name):
    return os.environ[name]


def algoliasearch():
    import requests
    from algoliasearch.search.client import SearchClientSync

    client = SearchClientSync("INTEROP", key("ALGOLIA_API_KEY"))
    if OPTION:
        session = requests.Session()
        session.verify = os.environ["SSL_CERT_FILE"]
        client._transporter._session = session
    return client.list_indices()


def anthropic():
    from anthropic import Anthropic

    return Anthropic().messages.create(model="interop", max_tokens=9, messages=MESSAGES)


def apify_client():
    from apify_client import ApifyClient

    return ApifyClient(key("APIFY_TOKEN")).user().get()


def asana():
    import asana

    configuration = asana.Configuration()
    configuration.access_token = key("ASANA_ACCESS_TOKEN")
    if OPTION:
        configuration.proxy = os.environ["HTTPS_PROXY"]
        configuration.ssl_ca_cert = os.environ["SSL_CERT_FILE"]
    return asana.UsersApi(asana.ApiClient(configuration)).get_user("me", {})


def assemblyai():
    import assemblyai

    return assemblyai.Transcript.get_by_id("interop")


def atlassian_python_api():
    from atlassian import Jira

    return Jira(url=key("JIRA_URL"), username=key("JIRA_USERNAME"), password=key("JIRA_API_TOKEN"), cloud=True).myself()


def azure_devops():
    from azure.devops.connection import Connection
    from msrest.authentication import BasicAuthentication

    credentials = BasicAuthentication("", key("AZURE_DEVOPS_EXT_PAT"))
    connection = Connection(base_url="https://dev.azure.com/interop", creds=credentials)
    return connection.clients.get_core_client().get_projects()


def azure_openai():
    from openai import AzureOpenAI

    client = AzureOpenAI(api_version="2024-10-21")
    return client.chat.completions.create(model="interop", messages=MESSAGES)


def boto3():
    import boto3

    messages = [{"role": "user", "content": [{"text": "hello"}]}]
    return boto3.client("bedrock-runtime", region_name="us-east-1").converse(modelId="interop", messages=messages)


def brevo_python():
    from brevo import Brevo

    return Brevo(api_key=key("BREVO_API_KEY")).account.get_account()


def browserbase():
    from browserbase import Browserbase

    return Browserbase().projects.list()


def cerebras_cloud_sdk():
    from cerebras.cloud.sdk import Cerebras

    return Cerebras().chat.completions.create(model="interop", messages=MESSAGES)


def cloudflare():
    from cloudflare import Cloudflare

    return Cloudflare().user.tokens.verify()


def cohere():
    import cohere

    return cohere.ClientV2().chat(model="interop", messages=MESSAGES)


def contentful_management():
    from contentful_management import Client

    return Client(key("CONTENTFUL_MANAGEMENT_TOKEN")).users().me()


def dashscope():
    from dashscope import Generation

    answer = Generation.call(model="qwen-plus", messages=MESSAGES, result_format="message")
    assert answer.status_code == 200, answer
    return answer


def databricks_sdk():
    from databricks.sdk import WorkspaceClient

    return WorkspaceClient().current_user.me()


def deepgram_sdk():
    from deepgram import DeepgramClient

    return DeepgramClient().manage.v1.projects.list()


def deepl():
    import deepl

    options = {"verify_ssl": os.environ["SSL_CERT_FILE"]} if OPTION else {}
    return deepl.DeepLClient(key("DEEPL_AUTH_KEY"), **options).translate_text("hello", target_lang="DE")


def discord_py():
    import discord

    async def main():
        options = {"proxy": os.environ["HTTPS_PROXY"]} if OPTION else {}
        async with discord.Client(intents=discord.Intents.default(), **options) as client:
            await client.login(key("DISCORD_TOKEN"))
            return client.user

    return asyncio.run(main())


def dub():
    from dub import Dub

    return Dub(token=key("DUB_API_KEY")).links.count(request={})


def elevenlabs():
    from elevenlabs.client import ElevenLabs

    return ElevenLabs().models.list()


def exa_py():
    from exa_py import Exa

    return Exa(key("EXA_API_KEY")).search("hello", contents=False)


def firecrawl_py():
    from firecrawl import Firecrawl

    return Firecrawl().scrape("https://example.com/")


def fireworks_ai():
    from fireworks import Fireworks

    return Fireworks().chat.completions.create(model="interop", messages=MESSAGES)


def google_api_python_client():
    if not OPTION:
        # As if it were not installed.
        sys.modules["socks"] = None
    from google.oauth2.credentials import Credentials
    from googleapiclient.discovery import build

    return build("drive", "v3", credentials=Credentials(token=key("GOOGLE_ACCESS_TOKEN"))).files().list().execute()


def google_genai():
    from google import genai

    client = genai.Client()
    return client.models.generate_content(model="interop", contents="hello")


def groq():
    from groq import Groq

    return Groq().chat.completions.create(model="interop", messages=MESSAGES)


def hubspot_api_client():
    from hubspot import HubSpot

    client = HubSpot(access_token=key("HUBSPOT_ACCESS_TOKEN"))
    if OPTION:
        client.config["proxy"] = os.environ["HTTPS_PROXY"]
    return client.crm.contacts.basic_api.get_page(limit=1)


def huggingface_hub():
    from huggingface_hub import HfApi

    return HfApi().whoami()


def jira():
    from jira import JIRA

    return JIRA(key("JIRA_URL"), basic_auth=(key("JIRA_USERNAME"), key("JIRA_API_TOKEN")), get_server_info=False).myself()


def klaviyo_api():
    from klaviyo_api import KlaviyoAPI
    from openapi_client.rest import RESTClientObject

    client = KlaviyoAPI(key("KLAVIYO_API_KEY"))
    if OPTION:
        client.configuration.proxy = os.environ["HTTPS_PROXY"]
        client.api_client.rest_client = RESTClientObject(client.configuration)
    return client.Accounts.get_accounts()


def langfuse():
    from langfuse import Langfuse

    return Langfuse(tracing_enabled=False).auth_check()


def langsmith():
    from langsmith import Client

    return Client().read_project(project_name="interop")


def mailchimp_marketing():
    import mailchimp_marketing

    client = mailchimp_marketing.Client()
    client.set_config({"api_key": key("MAILCHIMP_API_KEY"), "server": "us1"})
    return client.ping.get()


def mailgun():
    from mailgun.client import Client

    return Client(auth=("api", key("MAILGUN_API_KEY"))).domainlist.get().json()


def mistralai():
    from mistralai.client import Mistral

    return Mistral(api_key=key("MISTRAL_API_KEY")).chat.complete(model="interop", messages=MESSAGES)


def neon_api():
    from neon_api import NeonAPI

    return NeonAPI.from_environ().projects()


def notion_client():
    from notion_client import Client

    return Client(auth=key("NOTION_TOKEN")).users.me()


def openai():
    from openai import OpenAI

    return OpenAI().chat.completions.create(model="interop", messages=MESSAGES)


def openrouter():
    from openrouter import OpenRouter

    with OpenRouter(api_key=key("OPENROUTER_API_KEY")) as client:
        return client.chat.send(model="interop", messages=MESSAGES)


def perplexityai():
    from perplexity import Perplexity

    return Perplexity().chat.completions.create(model="sonar", messages=MESSAGES)


def pinecone():
    from pinecone import Pinecone

    return Pinecone(**({"proxy_url": os.environ["HTTPS_PROXY"]} if OPTION else {})).list_indexes()


def posthog():
    from posthog import Posthog

    client = Posthog("phc_interop", personal_api_key=key("POSTHOG_PERSONAL_API_KEY"), sync_mode=True, debug=True)
    client.load_feature_flags()
    flags = client.feature_flags
    client.shutdown()
    return flags


def pyairtable():
    from pyairtable import Api

    return Api(key("AIRTABLE_API_KEY")).whoami()


def pydo():
    from pydo import Client

    return Client(token=key("DIGITALOCEAN_TOKEN")).account.get()


def pygithub():
    from github import Auth
    from github import Github

    return Github(auth=Auth.Token(key("GITHUB_TOKEN"))).get_user().login


def pytfe():
    from pytfe import TFEClient

    return list(TFEClient().organizations.list())


def python_gitlab():
    import gitlab

    client = gitlab.Gitlab(private_token=key("GITLAB_TOKEN"))
    client.auth()
    return client.user


def python_intercom():
    from intercom import Intercom

    return Intercom(token=key("INTERCOM_ACCESS_TOKEN")).admins.list()


def qdrant_client():
    from qdrant_client import QdrantClient

    client = QdrantClient(url=key("QDRANT_URL"), port=None, api_key=key("QDRANT_API_KEY"), check_compatibility=False)
    return client.get_collections()


def replicate():
    import httpx
    import replicate

    if OPTION:
        client = replicate.Client(transport=httpx.HTTPTransport(proxy=os.environ["HTTPS_PROXY"]))
        return client.models.get("interop/interop")
    return replicate.models.get("interop/interop")


def resend():
    import resend

    resend.api_key = key("RESEND_API_KEY")
    return resend.Emails.send({"from": "a@example.com", "to": "b@example.com", "subject": "hello", "text": "hello"})


def sendgrid():
    from sendgrid import SendGridAPIClient
    from sendgrid.helpers.mail import Mail

    mail = Mail("a@example.com", "b@example.com", "hello", "hello")
    return SendGridAPIClient(key("SENDGRID_API_KEY")).send(mail).status_code


def serpapi():
    import serpapi

    return serpapi.Client(api_key=key("SERPAPI_API_KEY")).search(q="hello", engine="google")


def shodan():
    from shodan import Shodan

    return Shodan(key("SHODAN_API_KEY")).info()


def slack_sdk():
    from slack_sdk import WebClient

    return WebClient(token=key("SLACK_BOT_TOKEN")).auth_test()


def stripe():
    import stripe

    if OPTION:
        stripe.ca_bundle_path = os.environ["SSL_CERT_FILE"]
    return stripe.StripeClient(key("STRIPE_API_KEY")).v1.balance.retrieve()


def tavily_python():
    from tavily import TavilyClient

    return TavilyClient().search("hello")


def todoist_api_python():
    from todoist_api_python.api import TodoistAPI

    return TodoistAPI(key("TODOIST_API_TOKEN")).get_task("6X7rM8997g3RQmvh")


def together():
    from together import Together

    return Together().chat.completions.create(model="interop", messages=MESSAGES)


def twilio():
    from twilio.rest import Client

    return Client().api.accounts("AC" + "0" * 32).fetch().friendly_name


def typeform():
    from typeform import Typeform

    return Typeform(key("TYPEFORM_API_KEY")).forms.list()


def vercel():
    from vercel.projects import get_projects

    return get_projects()


def voyageai():
    import voyageai

    return voyageai.Client().embed(["hello"], model="voyage-3").embeddings


def xai_sdk():
    from xai_sdk import Client

    return Client(timeout=10).models.list_language_models()


def xdk():
    from xdk import Client

    return Client(bearer_token=key("X_BEARER_TOKEN")).users.get_by_username("interop")


answer = globals()[sys.argv[1].replace("-", "_").replace(".", "_").lower()]()
print("answer:", str(answer)[:2000])
