<?php
/*
 * A client in PHP against `kaspi sandbox run`, with PHP's own curl.
 *
 *     php examples/sandbox_client.php PATH_OF_KASPI
 *
 * Copy `Sandbox` into the fixture of your own tests and point your own client at `$sandbox->base`.
 */
declare(strict_types=1);

const BIN = '891027350515';

final class Sandbox
{
    public string $folder;
    public string $base;
    public string $control;
    private string $parent;
    private mixed $process;

    public function __construct(string $kaspi)
    {
        $this->parent = sys_get_temp_dir() . '/kaspi-' . bin2hex(random_bytes(8));
        mkdir($this->parent, 0700);
        $this->folder = "$this->parent/shop";
        $init = proc_open([$kaspi, 'sandbox', 'init', $this->folder], [1 => ['file', '/dev/null', 'w']], $none);
        proc_close($init) === 0 or throw new RuntimeException('kaspi sandbox init');
        $run = [$kaspi, 'sandbox', 'run', '--dir', $this->folder];
        $this->process = proc_open($run, [1 => ['pipe', 'w']], $pipes);
        // one line of JSON when both ports answer
        $ready = json_decode((string) fgets($pipes[1]), true, flags: JSON_THROW_ON_ERROR);
        $this->base = "https://{$ready['listen']}/r3";
        $this->control = "http://{$ready['control']}";
    }

    public function stop(): void
    {
        proc_terminate($this->process);
        proc_close($this->process);
        $files = new RecursiveDirectoryIterator($this->parent, FilesystemIterator::SKIP_DOTS);
        foreach (new RecursiveIteratorIterator($files, RecursiveIteratorIterator::CHILD_FIRST) as $file) {
            $file->isDir() && !$file->isLink() ? rmdir((string) $file) : unlink((string) $file);
        }
        rmdir($this->parent);
    }
}

function send(string $method, string $url, ?array $body = null, array $options = []): array
{
    $curl = curl_init($url);
    curl_setopt_array($curl, $options + [
        CURLOPT_CUSTOMREQUEST => $method,
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 20,
        CURLOPT_PROXY => '',
        CURLOPT_HTTPHEADER => ['Content-Type: application/json'],
    ]);
    if ($body !== null) {
        curl_setopt($curl, CURLOPT_POSTFIELDS, json_encode($body));
    }
    $answer = curl_exec($curl);
    $answer !== false or throw new RuntimeException(curl_error($curl));
    return json_decode($answer, true, flags: JSON_THROW_ON_ERROR);
}

/** The calls of scheme r3 for one organisation, over its own certificate. */
final class Merchant
{
    private array $tls;
    private array $own;

    public function __construct(private Sandbox $sandbox, string $bin)
    {
        $folder = "$sandbox->folder/certs/$bin";
        $this->tls = [
            CURLOPT_SSLCERT => "$folder/certificate.cer",
            CURLOPT_SSLKEY => "$folder/private.key",
            CURLOPT_KEYPASSWD => trim((string) file_get_contents("$folder/password")),
            CURLOPT_CAINFO => "$sandbox->folder/kbs_chain.pem",
        ];
        preg_match('/^device_token = "(.*)"/m', (string) file_get_contents("$folder/merchant.toml"), $token);
        $this->own = ['OrganizationBin' => $bin, 'DeviceToken' => $token[1]];
    }

    public function call(string $method, string $path, ?array $body = null): array
    {
        $body = $body === null ? null : $this->own + $body;
        $answer = send($method, "{$this->sandbox->base}/$path", $body, $this->tls);
        if ($answer['StatusCode'] !== 0) {
            throw new DomainException("StatusCode {$answer['StatusCode']}", $answer['StatusCode']);
        }
        return $answer['Data'] ?? [];
    }
}

function must_be(string $what, mixed $found, mixed $expected): void
{
    $found === $expected or throw new UnexpectedValueException("$what: " . var_export($found, true));
    echo "ok  $what\n";
}

$sandbox = new Sandbox($argv[1]);
try {
    $shop = new Merchant($sandbox, BIN);
    $order = ['Amount' => 100.5, 'PhoneNumber' => '77000000000', 'Comment' => 'Order 17'];
    $payment = $shop->call('POST', 'v01/remote/create', $order)['QrPaymentId'];
    $status = fn () => $shop->call('GET', "v02/payment/status/$payment")['Status'];
    must_be('an invoice waits', $status(), 'RemotePaymentCreated');
    send('POST', "$sandbox->control/payments/$payment/pay");
    must_be('it is paid', $status(), 'Processed');
    $shop->call('POST', 'v01/payment/return', ['QrPaymentId' => $payment, 'Amount' => 50]);
    try {
        $shop->call('POST', 'v01/payment/return', ['QrPaymentId' => $payment, 'Amount' => 60]);
        $code = 0;
    } catch (DomainException $refused) {
        $code = $refused->getCode();
    }
    must_be('more than the rest is refused', $code, -99000005);
} finally {
    $sandbox->stop();
}
