// One call of each Node package of the sweep, as its documentation shows it: nothing of a proxy or of certificates in it.
//
//     calls.mjs PACKAGE [with]
//
// With `with` it is done as the table's column `needs` says.
const [name, option] = process.argv.slice(2);
const withOption = option === 'with';
const messages = [{ role: 'user', content: 'hello' }];
const { env } = process;

// The packages whose client has chat completions as openai's has.
const chat = (client) => client.chat.completions.create({ model: 'interop', messages });

const calls = {
  async airtable() {
    const { default: Airtable } = await import('airtable');
    return new Airtable().base('appInterop')('Table').select().firstPage();
  },
  async algoliasearch() {
    const { algoliasearch } = await import('algoliasearch');
    return algoliasearch('INTEROP', env.ALGOLIA_API_KEY).listIndices();
  },
  async '@anthropic-ai/sdk'() {
    const { default: Anthropic } = await import('@anthropic-ai/sdk');
    return new Anthropic().messages.create({ model: 'interop', max_tokens: 9, messages });
  },
  async 'apify-client'() {
    const { ApifyClient } = await import('apify-client');
    return new ApifyClient({ token: env.APIFY_TOKEN }).user().get();
  },
  async asana() {
    const { default: Asana } = await import('asana');
    const client = Asana.ApiClient.instance;
    client.authentications.token.accessToken = env.ASANA_ACCESS_TOKEN;
    return new Asana.UsersApi().getUser('me');
  },
  async assemblyai() {
    const { AssemblyAI } = await import('assemblyai');
    return new AssemblyAI({ apiKey: env.ASSEMBLYAI_API_KEY }).transcripts.get('interop');
  },
  async 'azure-devops-node-api'() {
    const azure = await import('azure-devops-node-api');
    const handler = azure.getPersonalAccessTokenHandler(env.AZURE_DEVOPS_EXT_PAT);
    const core = await new azure.WebApi('https://dev.azure.com/interop', handler).getCoreApi();
    return core.getProjects();
  },
  async azure_openai() {
    const { AzureOpenAI } = await import('openai');
    return chat(new AzureOpenAI({ apiVersion: '2024-10-21' }));
  },
  async '@aws-sdk/client-bedrock-runtime'() {
    const { BedrockRuntimeClient, ConverseCommand } = await import('@aws-sdk/client-bedrock-runtime');
    const { NodeHttpHandler } = await import('@smithy/node-http-handler');
    const options = withOption ? { requestHandler: new NodeHttpHandler() } : {};
    const client = new BedrockRuntimeClient({ region: 'us-east-1', ...options });
    const asked = { modelId: 'interop', messages: [{ role: 'user', content: [{ text: 'hello' }] }] };
    return client.send(new ConverseCommand(asked));
  },
  async '@getbrevo/brevo'() {
    const { BrevoClient } = await import('@getbrevo/brevo');
    return new BrevoClient({ apiKey: env.BREVO_API_KEY }).account.getAccount();
  },
  async '@browserbasehq/sdk'() {
    const { default: Browserbase } = await import('@browserbasehq/sdk');
    return new Browserbase().projects.list();
  },
  async '@cerebras/cerebras_cloud_sdk'() {
    const { default: Cerebras } = await import('@cerebras/cerebras_cloud_sdk');
    return chat(new Cerebras());
  },
  async cloudflare() {
    const { default: Cloudflare } = await import('cloudflare');
    return new Cloudflare().user.tokens.verify();
  },
  async 'cohere-ai'() {
    const { CohereClientV2 } = await import('cohere-ai');
    return new CohereClientV2().chat({ model: 'interop', messages });
  },
  async 'contentful-management'() {
    const { createClient } = await import('contentful-management');
    return createClient({ accessToken: env.CONTENTFUL_MANAGEMENT_TOKEN }).user.getCurrent();
  },
  async '@upstash/context7-sdk'() {
    const { Context7 } = await import('@upstash/context7-sdk');
    return new Context7().searchLibrary('hello', 'react');
  },
  async '@deepgram/sdk'() {
    const { DeepgramClient } = await import('@deepgram/sdk');
    return new DeepgramClient().manage.v1.projects.list();
  },
  async 'deepl-node'() {
    const deepl = await import('deepl-node');
    return new deepl.DeepLClient(env.DEEPL_AUTH_KEY).translateText('hello', null, 'de');
  },
  async '@discordjs/rest'() {
    const { REST } = await import('@discordjs/rest');
    return new REST().setToken(env.DISCORD_TOKEN).get('/users/@me');
  },
  async dub() {
    const { Dub } = await import('dub');
    return new Dub({ token: env.DUB_API_KEY }).links.count({});
  },
  async '@elevenlabs/elevenlabs-js'() {
    const { ElevenLabsClient } = await import('@elevenlabs/elevenlabs-js');
    return new ElevenLabsClient().models.list();
  },
  async 'exa-js'() {
    const { default: Exa } = await import('exa-js');
    return new Exa(env.EXA_API_KEY).search('hello', { contents: false });
  },
  async '@mendable/firecrawl-js'() {
    const { default: Firecrawl } = await import('@mendable/firecrawl-js');
    return new Firecrawl({ apiKey: env.FIRECRAWL_API_KEY }).scrapeUrl('https://example.com/');
  },
  async '@octokit/rest'() {
    const { Octokit } = await import('@octokit/rest');
    return new Octokit({ auth: env.GITHUB_TOKEN }).rest.users.getAuthenticated();
  },
  async '@gitbeaker/rest'() {
    const { Gitlab } = await import('@gitbeaker/rest');
    return new Gitlab({ token: env.GITLAB_TOKEN }).Users.showCurrentUser();
  },
  async '@googleapis/drive'() {
    const { auth, drive } = await import('@googleapis/drive');
    const client = new auth.OAuth2();
    client.setCredentials({ access_token: env.GOOGLE_ACCESS_TOKEN });
    return (await drive({ version: 'v3', auth: client }).files.list()).data;
  },
  async '@google/genai'() {
    const { GoogleGenAI } = await import('@google/genai');
    return new GoogleGenAI({}).models.generateContent({ model: 'interop', contents: 'hello' });
  },
  async 'groq-sdk'() {
    const { default: Groq } = await import('groq-sdk');
    return chat(new Groq());
  },
  async 'heroku-client'() {
    const { default: Heroku } = await import('heroku-client');
    return new Heroku({ token: env.HEROKU_API_KEY }).get('/account');
  },
  async '@hubspot/api-client'() {
    const { Client } = await import('@hubspot/api-client');
    return new Client({ accessToken: env.HUBSPOT_ACCESS_TOKEN }).crm.contacts.basicApi.getPage(1);
  },
  async '@huggingface/inference'() {
    const { InferenceClient } = await import('@huggingface/inference');
    return new InferenceClient(env.HF_TOKEN).chatCompletion({ provider: 'hf-inference', model: 'interop', messages });
  },
  async 'intercom-client'() {
    const { IntercomClient } = await import('intercom-client');
    return new IntercomClient({ token: env.INTERCOM_ACCESS_TOKEN }).admins.list();
  },
  async 'jira.js'() {
    const { Version3Client } = await import('jira.js');
    const basic = { email: env.JIRA_USERNAME, apiToken: env.JIRA_API_TOKEN };
    return new Version3Client({ host: env.JIRA_URL, authentication: { basic } }).myself.getCurrentUser();
  },
  async 'klaviyo-api'() {
    const { AccountsApi, ApiKeySession } = await import('klaviyo-api');
    return (await new AccountsApi(new ApiKeySession(env.KLAVIYO_API_KEY)).getAccounts()).body;
  },
  async '@langfuse/client'() {
    const { LangfuseClient } = await import('@langfuse/client');
    return new LangfuseClient().api.projects.get();
  },
  async langsmith() {
    const { Client } = await import('langsmith');
    return new Client().readProject({ projectName: 'interop' });
  },
  async '@linear/sdk'() {
    const { LinearClient } = await import('@linear/sdk');
    return new LinearClient({ apiKey: env.LINEAR_API_KEY }).viewer;
  },
  async '@mailchimp/mailchimp_marketing'() {
    const { default: mailchimp } = await import('@mailchimp/mailchimp_marketing');
    mailchimp.setConfig({ apiKey: env.MAILCHIMP_API_KEY, server: 'us1' });
    return mailchimp.ping.get();
  },
  async 'mailgun.js'() {
    const { default: Mailgun } = await import('mailgun.js');
    return new Mailgun(FormData).client({ username: 'api', key: env.MAILGUN_API_KEY }).domains.list();
  },
  async '@microsoft/microsoft-graph-client'() {
    const { Client } = await import('@microsoft/microsoft-graph-client');
    const authProvider = (done) => done(null, env.MICROSOFT_ACCESS_TOKEN);
    return Client.init({ authProvider }).api('/me').get();
  },
  async '@mistralai/mistralai'() {
    const { Mistral } = await import('@mistralai/mistralai');
    return new Mistral({ apiKey: env.MISTRAL_API_KEY }).chat.complete({ model: 'interop', messages });
  },
  async '@mondaydotcomorg/api'() {
    const { ApiClient } = await import('@mondaydotcomorg/api');
    return new ApiClient({ token: env.MONDAY_API_TOKEN }).request('query { me { id } }');
  },
  async '@neondatabase/api-client'() {
    const { createApiClient } = await import('@neondatabase/api-client');
    return (await createApiClient({ apiKey: env.NEON_API_KEY }).listProjects({})).data;
  },
  async '@netlify/api'() {
    const { NetlifyAPI } = await import('@netlify/api');
    return new NetlifyAPI(env.NETLIFY_AUTH_TOKEN).listSites();
  },
  async '@notionhq/client'() {
    const { Client } = await import('@notionhq/client');
    return new Client({ auth: env.NOTION_TOKEN }).users.me({});
  },
  async openai() {
    const { default: OpenAI } = await import('openai');
    return chat(new OpenAI());
  },
  async '@openrouter/sdk'() {
    const { OpenRouter } = await import('@openrouter/sdk');
    return new OpenRouter({ apiKey: env.OPENROUTER_API_KEY }).chat.send({ chatRequest: { model: 'interop', messages } });
  },
  async '@perplexity-ai/perplexity_ai'() {
    const { default: Perplexity } = await import('@perplexity-ai/perplexity_ai');
    return chat(new Perplexity());
  },
  async '@pinecone-database/pinecone'() {
    const { Pinecone } = await import('@pinecone-database/pinecone');
    return new Pinecone().listIndexes();
  },
  async 'posthog-node'() {
    const { PostHog } = await import('posthog-node');
    const client = new PostHog('phc_interop', { personalApiKey: env.POSTHOG_PERSONAL_API_KEY });
    await client.reloadFeatureFlags();
    await client.shutdown();
    return 'loaded';
  },
  async postmark() {
    const { ServerClient } = await import('postmark');
    return new ServerClient(env.POSTMARK_SERVER_TOKEN).getServer();
  },
  async '@qdrant/js-client-rest'() {
    const { QdrantClient } = await import('@qdrant/js-client-rest');
    const client = new QdrantClient({ url: env.QDRANT_URL, port: 443, apiKey: env.QDRANT_API_KEY, checkCompatibility: false });
    return client.getCollections();
  },
  async replicate() {
    const { default: Replicate } = await import('replicate');
    return new Replicate().models.get('interop', 'interop');
  },
  async resend() {
    const { Resend } = await import('resend');
    const mail = { from: 'a@example.com', to: 'b@example.com', subject: 'hello', text: 'hello' };
    const { data, error } = await new Resend(env.RESEND_API_KEY).emails.send(mail);
    if (error) throw new Error(JSON.stringify(error));
    return data;
  },
  async '@sendgrid/mail'() {
    const { default: sendgrid } = await import('@sendgrid/mail');
    sendgrid.setApiKey(env.SENDGRID_API_KEY);
    const mail = { from: 'a@example.com', to: 'b@example.com', subject: 'hello', text: 'hello' };
    return (await sendgrid.send(mail))[0].statusCode;
  },
  async serpapi() {
    const { getJson } = await import('serpapi');
    return getJson({ engine: 'google', api_key: env.SERPAPI_API_KEY, q: 'hello' });
  },
  async '@slack/web-api'() {
    const { WebClient } = await import('@slack/web-api');
    return new WebClient(env.SLACK_BOT_TOKEN).auth.test();
  },
  async stripe() {
    const { default: Stripe } = await import('stripe');
    return new Stripe(env.STRIPE_API_KEY).balance.retrieve();
  },
  async '@tavily/core'() {
    const { tavily } = await import('@tavily/core');
    return tavily().search('hello');
  },
  async '@doist/todoist-api-typescript'() {
    const { TodoistApi } = await import('@doist/todoist-api-typescript');
    return new TodoistApi(env.TODOIST_API_TOKEN).getTask('6X7rM8997g3RQmvh');
  },
  async 'together-ai'() {
    const { default: Together } = await import('together-ai');
    return chat(new Together());
  },
  async twilio() {
    const { default: twilio } = await import('twilio');
    return (await twilio().api.accounts(env.TWILIO_ACCOUNT_SID).fetch()).friendlyName;
  },
  async 'twitter-api-v2'() {
    const { TwitterApi } = await import('twitter-api-v2');
    return new TwitterApi(env.X_BEARER_TOKEN).v2.userByUsername('interop');
  },
  async '@typeform/api-client'() {
    const { createClient } = await import('@typeform/api-client');
    return createClient({ token: env.TYPEFORM_API_KEY }).forms.list();
  },
  async '@vercel/sdk'() {
    const { Vercel } = await import('@vercel/sdk');
    return new Vercel({ bearerToken: env.VERCEL_TOKEN }).aliases.listAliases({});
  },
  async voyageai() {
    const { VoyageAIClient } = await import('voyageai');
    return new VoyageAIClient({ apiKey: env.VOYAGE_API_KEY }).embed({ input: ['hello'], model: 'voyage-3' });
  },
};

const answer = await calls[name](withOption);
console.log('answer:', JSON.stringify(answer)?.slice(0, 2000));
