<?php
$peer = json_decode(file_get_contents(getenv('PEER_DIR') . '/peer.json'), true);
$config = [
    'admin' => ['core:AdminPassword'],
    'people' => array_merge(['exampleauth:UserPass'], $peer['users']),
];
