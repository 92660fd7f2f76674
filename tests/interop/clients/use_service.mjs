// The packages of services whose agents are their own, as their documentation shows them: one call.
const { ASANA_ACCESS_TOKEN, SLACK_BOT_TOKEN, STRIPE_API_KEY } = process.env;

const calls = {
  async stripe() {
    const { default: Stripe } = await import('stripe');
    return (await new Stripe(STRIPE_API_KEY).customers.list()).data[0].name;
  },
  async slack() {
    const { WebClient } = await import('@slack/web-api');
    return (await new WebClient(SLACK_BOT_TOKEN).auth.test()).user;
  },
  async 'slack-6'() {
    const { WebClient } = await import('slack-web-api-6');
    return (await new WebClient(SLACK_BOT_TOKEN).auth.test()).user;
  },
  async asana() {
    const { default: asana } = await import('asana');
    asana.ApiClient.instance.authentications.token.accessToken = ASANA_ACCESS_TOKEN;
    return (await new asana.UsersApi().getUser('me')).data.name;
  },
};

// No await outside of functions: the file is bundled as CommonJS too.
calls[process.argv[2]]().then(console.log, (error) => {
  console.error(error);
  process.exitCode = 1;
});
