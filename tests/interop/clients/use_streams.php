<?php
// PHP's own https streams. They read SSL_CERT_FILE and no variable for a proxy: with `proxy` they are told of it, as programs that
// use them do.
$http = [
    'method' => 'POST',
    'header' => [
        'Authorization: Bearer ' . getenv('OPENAI_API_KEY'),
        'Content-Type: application/json',
    ],
    'content' => '{}',
];
if ($argv[1] === 'proxy') {
    $http['proxy'] = str_replace('http://', 'tcp://', getenv('HTTPS_PROXY'));
}
$body = file_get_contents('https://api.openai.com/v1/chat/completions', false, stream_context_create(['http' => $http]));
if ($body === false) {
    exit(1);
}
echo $body;
