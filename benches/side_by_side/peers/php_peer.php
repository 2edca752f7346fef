<?php
// The way of the wrapper that is replaced: for each request a new curl handle, which opens a connection,
// decrypts the key and shakes hands from the start. The folder, the address and the password come from
// the environment.
$folder = getenv('PEER_FOLDER');
$handle = curl_init();
curl_setopt_array($handle, [
    CURLOPT_URL => getenv('PEER_URL'),
    CURLOPT_POST => true,
    CURLOPT_POSTFIELDS => file_get_contents('php://input'),
    CURLOPT_HTTPHEADER => ['Content-Type: application/json'],
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_PROXY => '',
    CURLOPT_CAINFO => "$folder/chain.pem",
    CURLOPT_SSLCERT => "$folder/client.pem",
    CURLOPT_SSLKEY => "$folder/client-encrypted.key",
    CURLOPT_SSLKEYPASSWD => getenv('PEER_PASSWORD'),
]);
$answer = curl_exec($handle);
$error = curl_error($handle);
header('Content-Type: application/json');
$envelope = $answer === false ? null : json_decode($answer, true);
if ($envelope === null || $envelope['StatusCode'] !== 0) {
    http_response_code(502);
    echo json_encode(['success' => false, 'error' => $error]);
    return;
}
echo json_encode(['success' => true, 'external_id' => (string) $envelope['Data']['QrPaymentId']]);
