// An OpenID provider for the tests: npm oidc-provider, with people and one client from the
// environment. Keys are kept in PEER_DIR so that a restart may keep or change them.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { generateKeyPairSync, randomUUID } from 'node:crypto';

const { PEER_MODULE, PEER_DIR, PEER_ISSUER, PEER_PORT, PEER_ROTATE } = process.env;
const { default: Provider } = await import(PEER_MODULE);
const options = JSON.parse(process.env.PEER_OPTIONS);

function newKeys() {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const ed = generateKeyPairSync('ed25519').privateKey;
  const jwk = (key, alg) => ({ ...key.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg });
  return [jwk(rsa, 'RS256'), jwk(rsa, 'PS256'), jwk(ec, 'ES256'), jwk(ed, 'EdDSA')];
}

const file = `${PEER_DIR}/jwks.json`;
let keys = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : newKeys();
if (PEER_ROTATE === 'keep') keys = [...newKeys(), ...keys];
if (PEER_ROTATE === 'drop') keys = newKeys();
writeFileSync(file, JSON.stringify(keys), { mode: 0o600 });

const provider = new Provider(PEER_ISSUER, {
  clients: [{
    client_id: options.client_id,
    client_secret: options.client_secret,
    redirect_uris: options.redirect_uris,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    ...options.client,
  }],
  jwks: { keys },
  claims: {
    openid: ['sub'],
    email: ['email', 'email_verified'],
    profile: ['name', 'given_name', 'family_name', 'preferred_username'],
    groups: ['groups'],
  },
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'] },
  conformIdTokenClaims: options.claims_at_userinfo,
  cookies: { keys: [randomUUID()] },
  pkce: { required: () => options.require_pkce },
  features: {
    devInteractions: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    claimsParameter: { enabled: true },
  },
  async findAccount(ctx, id) {
    const claims = options.users[id];
    return claims && { accountId: id, claims: async () => ({ sub: id, ...claims }) };
  },
});
for (const event of ['server_error', 'authorization.error', 'grant.error', 'backchannel.error', 'userinfo.error', 'end_session.error']) {
  provider.on(event, (ctx, err) => console.error(event, err?.error_description ?? err?.message));
}
provider.listen(Number(PEER_PORT), '127.0.0.1', () => console.log(`listening on ${PEER_ISSUER}`));
