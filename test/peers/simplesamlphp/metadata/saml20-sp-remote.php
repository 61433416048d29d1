<?php
$peer = json_decode(file_get_contents(getenv('PEER_DIR') . '/peer.json'), true);
foreach ($peer['sps'] ?? [] as $sp) {
    $known = [
        'AssertionConsumerService' => $sp['acs'],
        'NameIDFormat' => $sp['nameid_format'] ?: 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress',
        'simplesaml.nameidattribute' => $sp['nameid_attribute'] ?: 'mail',
        'saml20.sign.response' => !$sp['unsigned_response'],
        'saml20.sign.assertion' => !$sp['unsigned_assertion'],
        'validate.authnrequest' => $sp['signed_requests'],
        'assertion.encryption' => $sp['encrypt'],
    ];
    if ($sp['slo']) {
        $known['SingleLogoutService'] = $sp['slo'];
    }
    if (preg_match('/-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----/s', $sp['certificate'], $m)) {
        $known['certData'] = preg_replace('/\s+/', '', $m[1]);
    }
    $metadata[$sp['entity_id']] = $known;
}
