<?php
// PHP's curl with nothing but the environment: a GET and a POST with one handle, or a stream.
$curl = curl_init();

function send($curl, $path, $body = null)
{
    curl_setopt($curl, CURLOPT_URL, "https://api.openai.com/v1$path");
    curl_setopt($curl, CURLOPT_HTTPHEADER, [
        'Authorization: Bearer ' . getenv('OPENAI_API_KEY'),
        'Content-Type: application/json',
    ]);
    if ($body !== null) {
        curl_setopt($curl, CURLOPT_POSTFIELDS, $body);
    }
    curl_setopt($curl, CURLOPT_WRITEFUNCTION, function ($curl, $part) {
        echo $part;
        return strlen($part);
    });
    if (!curl_exec($curl)) {
        fwrite(STDERR, curl_error($curl) . "\n");
        exit(1);
    }
}

if ($argv[1] === 'stream') {
    send($curl, '/chat/completions', '{"stream": true}');
} else {
    send($curl, '/models');
    send($curl, '/chat/completions', '{}');
}
