// An OpenID provider on loopback: `node provider.mjs NODE_MODULES CALLBACK`. It prints its issuer.
// Whoever signs in is the user named in the environment variable of the request's login hint: the
// test drives its development pages like a browser.
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const [modules, callback] = process.argv.slice(2);
const { Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`));

const groups = { ada: ["platform", "everybody"], bob: ["sre"], eve: ["visitors"] };

const server = createServer((request, response) => handler(request, response));
server.listen(0, "127.0.0.1");
await new Promise((resolve) => server.once("listening", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "agentguard",
      client_secret: "a-secret-of-the-test",
      redirect_uris: [callback],
      response_types: ["code"],
      grant_types: ["authorization_code"],
    },
  ],
  claims: { openid: ["sub"], profile: ["preferred_username", "groups"], email: ["email"] },
  async findAccount(_context, sub) {
    return {
      accountId: sub,
      claims: async () => ({ sub, preferred_username: sub, groups: groups[sub] ?? [] }),
    };
  },
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true } },
  cookies: { keys: ["a key of the test"] },
});
const handler = provider.callback();
console.log(issuer);
