<?php
// PHP's built-in web server knows no PATH_INFO behind a script; simplesamlphp needs it.
$root = '/usr/share/simplesamlphp/www';
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if (!preg_match('#^(/.*?\.php)(/.*)?$#', $path, $m) || !is_file($root . $m[1])) {
    return false; // a plain file, or nothing
}
unset($_SERVER['PATH_INFO']);
if (isset($m[2])) {
    $_SERVER['PATH_INFO'] = $m[2];
}
$_SERVER['SCRIPT_NAME'] = $_SERVER['PHP_SELF'] = $m[1];
$_SERVER['SCRIPT_FILENAME'] = $root . $m[1];
chdir(dirname($root . $m[1]));
require $root . $m[1];
