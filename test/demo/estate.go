package demo

// estateFile describes both companies; its values are the end of the SCIM token, the issuer and
// tenant id of the simulated Entra, and the issuer of the security events about Acme's people.
const estateFile = `accounts:
  - name: acme
    title: Acme Incorporated
    type: enterprise
    services: [catalog, registry, functions]
    owners: [olga@acme.example]
    people:
      - {email: ben@acme.example, name: Ben Okoye, account_role: member, roles: [functions:user]}
    teams:
      - {name: research, description: Models and experiments}
    domains:
      - {name: acme.example, connection: okta, proved: true, cut_over: true}
    connections:
      - name: okta
        kind: okta
        saml:
          metadata: file:okta-metadata.xml
        scim: # userName is what Okta signs people in by
          subject: userName
          tokens: [{token: "env:ACME_SCIM_TOKEN", expires: %[1]s}]
    streams:
      - name: signals
        connection: okta
        issuer: %[4]s
        audience: [drawbridge-demo]
        jwks_url: %[4]s/jwks
        credentials: [{credential: "env:ACME_EVENTS_CREDENTIAL"}]
    rules:
      - name: Engineering
        groups: [eng]
        org: [catalog:reader, registry:writer]
        teams: {research: [functions:developer]}
        state: active
      - name: Viewers
        groups: [viewers]
        org: [catalog:reader]
        state: active
      - name: Pushed people read the registry
        groups: [registry-users]
        org: [registry:reader]
        state: active
      - name: Registry admins
        groups: [registry-admins]
        account_role: admin
        org: [registry:admin]
        state: draft
  - name: globex
    title: Globex Corporation
    type: enterprise
    services: [catalog, registry]
    owners: [olaf@globex.example]
    teams:
      - {name: research}
    domains:
      - {name: globex.example, connection: entra, proved: true}
    connections:
      - name: entra
        kind: entra
        oidc:
          issuer: %[2]s
          entra_tenant: %[3]s
          client_id: drawbridge
          client_secret: demo-secret
    groups:
      - {value: 5d0f6c2e-3a61-4c0b-9e3c-0b1a2f3c4d5e, alias: Engineering}
      - {value: 9b8a7c6d-1e2f-4a3b-8c4d-5e6f7a8b9c0d, alias: Research leads, account_role: admin}
    rules:
      - name: Engineering writes to the registry
        groups: [5d0f6c2e-3a61-4c0b-9e3c-0b1a2f3c4d5e]
        org: [catalog:reader, registry:writer]
        state: active
      - name: Research leads run the team
        groups: [9b8a7c6d-1e2f-4a3b-8c4d-5e6f7a8b9c0d]
        account_role: admin
        teams: {research: [user_admin, registry:admin]}
        state: active
`
