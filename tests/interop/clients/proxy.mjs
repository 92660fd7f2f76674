// For `node --import`: gives Node's own fetch the proxy of the environment, where Node doesn't do that itself.
import { EnvHttpProxyAgent, setGlobalDispatcher } from 'undici';

setGlobalDispatcher(new EnvHttpProxyAgent());
