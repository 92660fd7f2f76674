"""What the sweep calls: providers, with what their service is to receive and what it answers, and the packages of each.

A package that can't do it by its defaults says so: `fails` is `proxy` (it makes its connections past it) or `ca` (it doesn't trust the
certificates), `reason` says why, and `needs` what a program has to write, where anything helps; calls.py and calls.mjs do that too."""

import dataclasses

CHAT = {
    "id": "interop",
    "object": "chat.completion",
    "created": 0,
    "model": "interop",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
# One answer for both endpoints: the bot and its application.
DISCORD = {
    "id": "1",
    "username": "interop",
    "discriminator": "0",
    "avatar": None,
    "bot": True,
    "name": "interop",
    "description": "",
    "icon": None,
    "bot_public": False,
    "bot_require_code_grant": False,
    "verify_key": "",
    "owner": {"id": "2", "username": "interop", "discriminator": "0", "avatar": None},
    "flags": 0,
}
UUID = "00000000-0000-4000-8000-000000000000"


def azure_devops(request, _body):
    """Answers of a service whose first answer names the hosts of its resources."""
    places = {"e81700f7-3be2-46de-8624-2eb35882fcaa": "resourceAreas", "603fe2ac-9723-48b9-88ad-09305aa6c6e1": "projects"}
    locations = [
        {
            "id": place,
            "area": "core",
            "resourceName": name,
            "routeTemplate": f"_apis/{name}",
            "resourceVersion": 1,
            "minVersion": "1.0",
            "maxVersion": "7.1",
            "releasedVersion": "7.1",
        }
        for place, name in places.items()
    ]
    value = locations if request.method == "OPTIONS" else []
    return {"count": len(value), "value": value}


def huggingface(request, _body):
    """An answer of the hub, which names the host that serves a model, or of that host."""
    served = {"hf-inference": {"status": "live", "providerId": "interop", "task": "conversational"}}
    return CHAT if request.method == "POST" else {"id": "interop", "inferenceProviderMapping": served}


@dataclasses.dataclass
class Provider:
    """A service: the variable of its credential, how that looks (`{}` is 64 random digits), the host of the call (or hosts, with commas between), how the
    credential has to arrive there, and what is answered. `more` is what else is in the environment, `options` are those of
    `authsome run`."""

    variable: str
    looks: str
    host: str
    credential: str = "bearer"
    answer: object = dataclasses.field(default_factory=dict)
    more: dict = dataclasses.field(default_factory=dict)
    options: tuple = ()


PROVIDERS = {
    "airtable": Provider("AIRTABLE_API_KEY", "patA.{}", "api.airtable.com", answer={"id": "usrInterop", "records": []}),
    "algolia": Provider(
        "ALGOLIA_API_KEY",
        "{}",
        "interop-dsn.algolia.net",
        "field:x-algolia-api-key",
        {"items": [], "nbPages": 1},
        options=("--base-url", "algolia=https://interop-dsn.algolia.net"),
    ),
    "anthropic": Provider(
        "ANTHROPIC_API_KEY",
        "sk-ant-{}",
        "api.anthropic.com",
        "field:x-api-key",
        {
            "id": "msg",
            "type": "message",
            "role": "assistant",
            "model": "interop",
            "content": [{"type": "text", "text": "hello"}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        },
    ),
    "apify": Provider("APIFY_TOKEN", "apify_api_{}", "api.apify.com", answer={"data": {"id": "interop", "username": "interop"}}),
    "asana": Provider("ASANA_ACCESS_TOKEN", "2/1/{}", "app.asana.com", answer={"data": {"gid": "1", "name": "interop"}}),
    "assemblyai": Provider(
        "ASSEMBLYAI_API_KEY",
        "{}",
        "api.assemblyai.com",
        "field:authorization",
        {"id": "interop", "status": "completed", "audio_url": "https://example.com/a.mp3", "text": "hello"},
    ),
    "azure-devops": Provider("AZURE_DEVOPS_EXT_PAT", "{}", "dev.azure.com", "basic:", azure_devops),
    "azure-openai": Provider(
        "AZURE_OPENAI_API_KEY",
        "{}",
        "interop.openai.azure.com",
        "field:api-key",
        CHAT,
        {"AZURE_OPENAI_ENDPOINT": "https://interop.openai.azure.com"},
    ),
    "bedrock": Provider(
        "AWS_BEARER_TOKEN_BEDROCK",
        "bedrock-api-key-{}",
        "bedrock-runtime.us-east-1.amazonaws.com",
        answer={
            "output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
            "metrics": {"latencyMs": 1},
        },
    ),
    "brevo": Provider("BREVO_API_KEY", "xkeysib-{}", "api.brevo.com", "field:api-key", {"email": "a@example.com"}),
    "browserbase": Provider("BROWSERBASE_API_KEY", "bb_live_{}", "api.browserbase.com", "field:x-bb-api-key", []),
    "cerebras": Provider("CEREBRAS_API_KEY", "csk-{}", "api.cerebras.ai", answer=CHAT),
    "cloudflare": Provider(
        "CLOUDFLARE_API_TOKEN",
        "{}",
        "api.cloudflare.com",
        answer={"result": {"id": "interop", "status": "active"}, "success": True, "errors": [], "messages": []},
    ),
    "cohere": Provider(
        "CO_API_KEY",
        "{}",
        "api.cohere.com",
        answer={
            "id": "interop",
            "finish_reason": "COMPLETE",
            "message": {"role": "assistant", "content": [{"type": "text", "text": "hello"}]},
        },
    ),
    "contentful": Provider(
        "CONTENTFUL_MANAGEMENT_TOKEN",
        "CFPAT-{}",
        "api.contentful.com",
        answer={"sys": {"type": "User", "id": "interop"}, "firstName": "interop"},
    ),
    "context7": Provider("CONTEXT7_API_KEY", "ctx7sk-{}", "context7.com", answer={"results": []}),
    "dashscope": Provider(
        "DASHSCOPE_API_KEY",
        "sk-{}",
        "dashscope.aliyuncs.com",
        answer={"request_id": "interop", "output": {"choices": CHAT["choices"]}, "usage": {"input_tokens": 1, "output_tokens": 1}},
    ),
    "databricks": Provider(
        "DATABRICKS_TOKEN",
        "dapi{}",
        "interop.cloud.databricks.com",
        answer={"id": "1", "userName": "interop"},
        more={"DATABRICKS_HOST": "https://interop.cloud.databricks.com"},
    ),
    "deepgram": Provider("DEEPGRAM_API_KEY", "{}", "api.deepgram.com", "prefix:Token", {"projects": []}),
    "deepl": Provider(
        "DEEPL_AUTH_KEY",
        "{}",
        "api.deepl.com",
        "prefix:DeepL-Auth-Key",
        {"translations": [{"detected_source_language": "EN", "text": "hallo", "billed_characters": 5}]},
    ),
    "deepseek": Provider("DEEPSEEK_API_KEY", "sk-{}", "api.deepseek.com", answer=CHAT),
    "digitalocean": Provider("DIGITALOCEAN_TOKEN", "dop_v1_{}", "api.digitalocean.com", answer={"account": {"uuid": "interop"}}),
    "discord": Provider(
        "DISCORD_TOKEN",
        "{}",
        "discord.com",
        "prefix:Bot",
        DISCORD,
    ),
    "dub": Provider("DUB_API_KEY", "dub_{}", "api.dub.co", answer=7),
    "elevenlabs": Provider("ELEVENLABS_API_KEY", "sk_{}", "api.elevenlabs.io", "field:xi-api-key", []),
    "exa": Provider("EXA_API_KEY", "{}", "api.exa.ai", "field:x-api-key", {"requestId": "interop", "results": []}),
    "firecrawl": Provider(
        "FIRECRAWL_API_KEY",
        "fc-{}",
        "api.firecrawl.dev",
        answer={"success": True, "data": {"markdown": "hello", "metadata": {"statusCode": 200}}},
    ),
    "fireworks": Provider("FIREWORKS_API_KEY", "fw_{}", "api.fireworks.ai", answer=CHAT),
    "github": Provider("GITHUB_TOKEN", "ghp_{}", "api.github.com", answer={"login": "interop", "id": 1}),
    "gitlab": Provider("GITLAB_TOKEN", "glpat-{}", "gitlab.com", answer={"id": 1, "username": "interop"}),
    "google": Provider("GOOGLE_ACCESS_TOKEN", "ya29.{}", "www.googleapis.com", answer={"files": []}),
    "google-gemini": Provider(
        "GEMINI_API_KEY",
        "AIza{}",
        "generativelanguage.googleapis.com",
        "field:x-goog-api-key",
        {"candidates": [{"content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP"}]},
    ),
    "groq": Provider("GROQ_API_KEY", "gsk_{}", "api.groq.com", answer=CHAT),
    "hcp-terraform": Provider("TFE_TOKEN", "{}", "app.terraform.io", answer={"data": []}),
    "heroku": Provider("HEROKU_API_KEY", "HRKU-{}", "api.heroku.com", answer={"id": "interop"}),
    "hubspot": Provider("HUBSPOT_ACCESS_TOKEN", "pat-na1-{}", "api.hubapi.com", answer={"results": []}),
    "huggingface": Provider("HF_TOKEN", "hf_{}", "huggingface.co", answer={"type": "user", "name": "interop"}),
    "intercom": Provider("INTERCOM_ACCESS_TOKEN", "{}", "api.intercom.io", answer={"type": "admin.list", "admins": []}),
    "jira-token": Provider(
        "JIRA_API_TOKEN",
        "ATATT{}",
        "interop.atlassian.net",
        "basic:a@example.com",
        {"accountId": "interop"},
        {"JIRA_URL": "https://interop.atlassian.net", "JIRA_USERNAME": "a@example.com"},
    ),
    "klaviyo": Provider("KLAVIYO_API_KEY", "pk_{}", "a.klaviyo.com", "prefix:Klaviyo-API-Key", {"data": []}),
    "langfuse": Provider(
        "LANGFUSE_SECRET_KEY",
        "sk-lf-{}",
        "cloud.langfuse.com",
        "basic:pk-lf-interop",
        {"data": [{"id": "1", "name": "interop", "metadata": {}, "organization": {"id": "1", "name": "interop"}}]},
        {"LANGFUSE_PUBLIC_KEY": "pk-lf-interop"},
    ),
    "langsmith": Provider(
        "LANGSMITH_API_KEY",
        "lsv2_pt_{}",
        "api.smith.langchain.com",
        "field:x-api-key",
        [{"id": UUID, "tenant_id": UUID, "reference_dataset_id": None, "name": "interop"}],
    ),
    "linear": Provider("LINEAR_API_KEY", "lin_api_{}", "api.linear.app", "field:authorization", {"data": {"viewer": {"id": "1"}}}),
    "mailchimp": Provider("MAILCHIMP_API_KEY", "{}-us1", "us1.api.mailchimp.com", "basic:anystring", {"health_status": "fine"}),
    "mailgun": Provider("MAILGUN_API_KEY", "key-{}", "api.mailgun.net", "basic:api", {"items": [], "total_count": 0}),
    "microsoft": Provider("MICROSOFT_ACCESS_TOKEN", "eyJ{}", "graph.microsoft.com", answer={"id": "interop"}),
    "mistral": Provider("MISTRAL_API_KEY", "{}", "api.mistral.ai", answer=CHAT),
    "monday": Provider("MONDAY_API_TOKEN", "eyJ{}", "api.monday.com", "field:authorization", {"data": {"me": {"id": "1"}}}),
    "moonshot": Provider("MOONSHOT_API_KEY", "sk-{}", "api.moonshot.ai", answer=CHAT),
    "neon": Provider("NEON_API_KEY", "napi_{}", "console.neon.tech", answer={"projects": [], "pagination": {"cursor": ""}}),
    "netlify": Provider("NETLIFY_AUTH_TOKEN", "nfp_{}", "api.netlify.com", answer=[]),
    "notion": Provider("NOTION_TOKEN", "ntn_{}", "api.notion.com", answer={"object": "user", "id": "interop"}),
    "nvidia": Provider("NVIDIA_API_KEY", "nvapi-{}", "integrate.api.nvidia.com", answer=CHAT),
    "openai": Provider("OPENAI_API_KEY", "sk-{}", "api.openai.com", answer=CHAT),
    "openrouter": Provider(
        "OPENROUTER_API_KEY", "sk-or-{}", "openrouter.ai", answer={**CHAT, "system_fingerprint": None}
    ),
    "perplexity": Provider("PERPLEXITY_API_KEY", "pplx-{}", "api.perplexity.ai", answer=CHAT),
    "pinecone": Provider("PINECONE_API_KEY", "pcsk_{}", "api.pinecone.io", "field:api-key", {"indexes": []}),
    "posthog": Provider("POSTHOG_PERSONAL_API_KEY", "phx_{}", "us.i.posthog.com", answer={"flags": [], "group_type_mapping": {}}),
    "postmark": Provider(
        "POSTMARK_SERVER_TOKEN", "{}", "api.postmarkapp.com", "field:x-postmark-server-token", {"ID": 1, "Name": "interop"}
    ),
    "qdrant": Provider(
        "QDRANT_API_KEY",
        "{}",
        "interop.cloud.qdrant.io",
        "field:api-key",
        {"result": {"collections": []}, "status": "ok", "time": 0.1},
        {"QDRANT_URL": "https://interop.cloud.qdrant.io"},
    ),
    "replicate": Provider(
        "REPLICATE_API_TOKEN",
        "r8_{}",
        "api.replicate.com",
        answer={
            "url": "https://replicate.com/interop/interop",
            "owner": "interop",
            "name": "interop",
            "description": None,
            "visibility": "public",
            "github_url": None,
            "paper_url": None,
            "license_url": None,
            "run_count": 1,
            "cover_image_url": None,
            "default_example": None,
            "latest_version": None,
        },
    ),
    "resend": Provider("RESEND_API_KEY", "re_{}", "api.resend.com", answer={"id": "interop"}),
    "sendgrid": Provider("SENDGRID_API_KEY", "SG.a.{}", "api.sendgrid.com"),
    "serpapi": Provider("SERPAPI_API_KEY", "{}", "serpapi.com", "query:api_key", {"search_metadata": {"id": "interop"}}),
    "shodan": Provider("SHODAN_API_KEY", "{}", "api.shodan.io", "query:key", {"plan": "dev"}),
    "slack": Provider("SLACK_BOT_TOKEN", "xoxb-{}", "slack.com", answer={"ok": True, "url": "https://interop.slack.com/"}),
    "stripe": Provider("STRIPE_API_KEY", "sk_test_{}", "api.stripe.com", answer={"object": "balance", "available": []}),
    "tavily": Provider("TAVILY_API_KEY", "tvly-{}", "api.tavily.com", answer={"query": "hello", "results": [], "images": []}),
    "todoist": Provider(
        "TODOIST_API_TOKEN",
        "{}",
        "api.todoist.com",
        answer={
            "id": "6X7rM8997g3RQmvh",
            "user_id": "1",
            "project_id": "2",
            "section_id": None,
            "parent_id": None,
            "added_by_uid": "1",
            "assigned_by_uid": None,
            "responsible_uid": None,
            "labels": [],
            "deadline": None,
            "duration": None,
            "checked": False,
            "is_deleted": False,
            "added_at": "2026-01-01T00:00:00.000000Z",
            "completed_at": None,
            "completed_by_uid": None,
            "updated_at": "2026-01-01T00:00:00.000000Z",
            "due": None,
            "priority": 1,
            "child_order": 1,
            "content": "hello",
            "description": "",
            "note_count": 0,
            "day_order": 1,
            "is_collapsed": False,
        },
    ),
    "together": Provider("TOGETHER_API_KEY", "{}", "api.together.ai", answer=CHAT),
    "twilio": Provider(
        "TWILIO_AUTH_TOKEN",
        "{}",
        "api.twilio.com",
        "basic:AC" + "0" * 32,
        {"sid": "AC" + "0" * 32, "friendly_name": "interop", "status": "active"},
        {"TWILIO_ACCOUNT_SID": "AC" + "0" * 32},
    ),
    "typeform": Provider("TYPEFORM_API_KEY", "tfp_{}", "api.typeform.com", answer={"total_items": 0, "page_count": 1, "items": []}),
    "vercel": Provider("VERCEL_TOKEN", "vcp_{}", "api.vercel.com", answer={"projects": [], "aliases": [], "pagination": {"count": 0, "next": None, "prev": None}}),
    "voyage": Provider(
        "VOYAGE_API_KEY",
        "pa-{}",
        "api.voyageai.com",
        answer={
            "object": "list",
            "data": [{"object": "embedding", "embedding": [0.5], "index": 0}],
            "model": "voyage-3",
            "usage": {"total_tokens": 1},
        },
    ),
    "x": Provider("X_BEARER_TOKEN", "AAAA{}", "api.x.com", answer={"data": {"id": "1", "name": "interop", "username": "interop"}}),
    "xai": Provider("XAI_API_KEY", "xai-{}", "api.x.ai", answer=CHAT),
}


@dataclasses.dataclass
class Package:
    """A package, and what is different from its provider's (`host`, `credential`, `answer`). `call` is the function's name where that
    isn't the package's, and `without` has the paths that are to come without the credential."""

    language: str
    name: str
    provider: str
    call: str = ""
    host: str = ""
    credential: str = ""
    answer: object = None
    fails: str = ""
    reason: str = ""
    needs: str = ""
    without: tuple = ()


def python(*args, **kwargs):
    return Package("Python", *args, **kwargs)


def node(*args, **kwargs):
    return Package("Node", *args, **kwargs)


PACKAGES = [
    python("pyairtable", "airtable"),
    python(
        "algoliasearch",
        "algolia",
        fails='ca',
        reason="it hands its requests to `requests` past what that reads from the environment: certifi's certificates alone count",
        needs='a session of `requests` in the place of its own (`client._transporter._session`), with `session.verify = os.environ["SSL_CERT_FILE"]`',
    ),
    python("anthropic", "anthropic"),
    python("apify-client", "apify"),
    python(
        "asana",
        "asana",
        fails='proxy',
        reason='its urllib3 reads no variables',
        needs='`configuration.proxy = os.environ["HTTPS_PROXY"]`, `configuration.ssl_ca_cert = os.environ["SSL_CERT_FILE"]`',
    ),
    python("assemblyai", "assemblyai"),
    python("atlassian-python-api", "jira-token"),
    python("azure-devops", "azure-devops"),
    python("openai", "azure-openai", call="azure_openai"),
    python("boto3", "bedrock"),
    python("brevo-python", "brevo"),
    python("browserbase", "browserbase"),
    python("cerebras-cloud-sdk", "cerebras"),
    python("cloudflare", "cloudflare"),
    python("cohere", "cohere"),
    python("contentful-management", "contentful"),
    python("dashscope", "dashscope"),
    python("databricks-sdk", "databricks", without=("/.well-known/databricks-config",)),
    python("deepgram-sdk", "deepgram"),
    python(
        "deepl",
        "deepl",
        fails='ca',
        reason="it hands its requests to `requests` past what that reads from the environment: certifi's certificates alone count",
        needs='`deepl.DeepLClient(key, verify_ssl=os.environ["SSL_CERT_FILE"])`',
    ),
    python("pydo", "digitalocean"),
    python(
        "discord.py",
        "discord",
        fails='proxy',
        reason='its aiohttp reads variables only with `trust_env`',
        needs='`discord.Client(..., proxy=os.environ["HTTPS_PROXY"])`',
    ),
    python("dub", "dub"),
    python("elevenlabs", "elevenlabs"),
    python("exa-py", "exa"),
    python("firecrawl-py", "firecrawl"),
    python("fireworks-ai", "fireworks"),
    python("PyGithub", "github"),
    python("python-gitlab", "gitlab"),
    python(
        "google-api-python-client",
        "google",
        fails='proxy',
        reason='its httplib2 knows of proxies only beside the package `pysocks`',
        needs='`pip install pysocks`',
    ),
    python("google-genai", "google-gemini"),
    python("groq", "groq"),
    python("pytfe", "hcp-terraform"),
    python(
        "hubspot-api-client",
        "hubspot",
        fails='proxy',
        reason='its urllib3 reads no variables',
        needs='`client.config["proxy"] = os.environ["HTTPS_PROXY"]`',
    ),
    python("huggingface_hub", "huggingface"),
    python("python-intercom", "intercom"),
    python("jira", "jira-token"),
    python(
        "klaviyo-api",
        "klaviyo",
        fails='proxy',
        reason='its urllib3 reads no variables',
        needs='`client.configuration.proxy = os.environ["HTTPS_PROXY"]`, then `client.api_client.rest_client = openapi_client.rest.RESTClientObject(client.configuration)`',
    ),
    python("langfuse", "langfuse"),
    python("langsmith", "langsmith"),
    python("mailchimp-marketing", "mailchimp"),
    python("mailgun", "mailgun"),
    python("mistralai", "mistral"),
    python("neon-api", "neon"),
    python("notion-client", "notion"),
    python("openai", "openai"),
    python("openrouter", "openrouter"),
    python("perplexityai", "perplexity"),
    python(
        "pinecone",
        "pinecone",
        fails='proxy',
        reason='its httpx has a transport of its own, which reads no variables',
        needs='`Pinecone(proxy_url=os.environ["HTTPS_PROXY"])`',
    ),
    python("posthog", "posthog"),
    python("qdrant-client", "qdrant"),
    python(
        "replicate",
        "replicate",
        fails='proxy',
        reason='its httpx has a transport of its own, which reads no variables',
        needs='`replicate.Client(transport=httpx.HTTPTransport(proxy=os.environ["HTTPS_PROXY"]))`',
    ),
    python("resend", "resend"),
    python("sendgrid", "sendgrid"),
    python("serpapi", "serpapi"),
    python("shodan", "shodan"),
    python("slack_sdk", "slack"),
    python(
        "stripe",
        "stripe",
        fails='ca',
        reason='it brings its own list of certificates',
        needs='`stripe.ca_bundle_path = os.environ["SSL_CERT_FILE"]`',
    ),
    python("tavily-python", "tavily"),
    python("todoist-api-python", "todoist"),
    python("together", "together", host="api-inference.together.ai"),
    python("twilio", "twilio"),
    python("typeform", "typeform"),
    python("vercel", "vercel"),
    python("voyageai", "voyage"),
    python(
        "xai-sdk",
        "xai",
        fails='http2',
        reason='it speaks gRPC, which is HTTP/2 alone',
    ),
    python("xdk", "x"),
    node("airtable", "airtable"),
    node("algoliasearch", "algolia"),
    node("@anthropic-ai/sdk", "anthropic"),
    node("apify-client", "apify"),
    node("asana", "asana"),
    node("assemblyai", "assemblyai"),
    node("azure-devops-node-api", "azure-devops"),
    node("openai", "azure-openai", call="azure_openai"),
    node(
        "@aws-sdk/client-bedrock-runtime",
        "bedrock",
        fails="http2",
        reason="it speaks HTTP/2 alone",
        needs="`new BedrockRuntimeClient({ requestHandler: new NodeHttpHandler() })`",
    ),
    node("@getbrevo/brevo", "brevo"),
    node("@browserbasehq/sdk", "browserbase"),
    node("@cerebras/cerebras_cloud_sdk", "cerebras"),
    node("cloudflare", "cloudflare"),
    node("cohere-ai", "cohere"),
    node("contentful-management", "contentful"),
    node("@upstash/context7-sdk", "context7"),
    node("@deepgram/sdk", "deepgram"),
    node("deepl-node", "deepl"),
    node("@discordjs/rest", "discord"),
    node("dub", "dub"),
    node("@elevenlabs/elevenlabs-js", "elevenlabs"),
    node("exa-js", "exa"),
    node("@mendable/firecrawl-js", "firecrawl"),
    node("@octokit/rest", "github"),
    node("@gitbeaker/rest", "gitlab"),
    node("@googleapis/drive", "google"),
    node("@google/genai", "google-gemini"),
    node("groq-sdk", "groq"),
    node("heroku-client", "heroku"),
    node("@hubspot/api-client", "hubspot"),
    node("@huggingface/inference", "huggingface", host="huggingface.co,router.huggingface.co", answer=huggingface),
    node("intercom-client", "intercom"),
    node("jira.js", "jira-token"),
    node("klaviyo-api", "klaviyo"),
    node("@langfuse/client", "langfuse"),
    node("langsmith", "langsmith"),
    node("@linear/sdk", "linear"),
    node("@mailchimp/mailchimp_marketing", "mailchimp"),
    node("mailgun.js", "mailgun"),
    node("@microsoft/microsoft-graph-client", "microsoft"),
    node("@mistralai/mistralai", "mistral"),
    node("@mondaydotcomorg/api", "monday"),
    node("@neondatabase/api-client", "neon"),
    node("@netlify/api", "netlify"),
    node("@notionhq/client", "notion"),
    node("openai", "openai"),
    node("@openrouter/sdk", "openrouter"),
    node("@perplexity-ai/perplexity_ai", "perplexity"),
    node("@pinecone-database/pinecone", "pinecone"),
    node("posthog-node", "posthog"),
    node("postmark", "postmark"),
    node("@qdrant/js-client-rest", "qdrant"),
    node("replicate", "replicate"),
    node("resend", "resend"),
    node("@sendgrid/mail", "sendgrid"),
    node("serpapi", "serpapi"),
    node("@slack/web-api", "slack"),
    node("stripe", "stripe"),
    node("@tavily/core", "tavily"),
    node("@doist/todoist-api-typescript", "todoist"),
    node("together-ai", "together"),
    node("twilio", "twilio"),
    node("twitter-api-v2", "x"),
    node("@typeform/api-client", "typeform"),
    node("@vercel/sdk", "vercel"),
    node("voyageai", "voyage"),
]

if __name__ == "__main__":
    # All hosts, for a certificate.
    print(*sorted({host for one in [*PROVIDERS.values(), *PACKAGES] for host in one.host.split(",") if host}))
