<?php

// A client as panels print it on their API page, written anew from what it does: a form by POST, whatever the HTTP
// status the body is the answer, numbers for ids. Below it, what lets a test drive it.

class Api
{
    public function __construct(private string $url, private string $key)
    {
    }

    public function order(array $order)
    {
        return $this->ask('add', $order);
    }

    public function status($order)
    {
        return $this->ask('status', ['order' => $order]);
    }

    public function multiStatus(array $orders)
    {
        return $this->ask('status', ['orders' => implode(',', $orders)]);
    }

    public function services()
    {
        return $this->ask('services');
    }

    public function refill(int $order)
    {
        return $this->ask('refill', ['order' => $order]);
    }

    public function multiRefill(array $orders)
    {
        return $this->ask('refill', ['orders' => implode(',', $orders)]);
    }

    public function refillStatus(int $refill)
    {
        return $this->ask('refill_status', ['refill' => $refill]);
    }

    public function multiRefillStatus(array $refills)
    {
        return $this->ask('refill_status', ['refills' => implode(',', $refills)]);
    }

    public function cancel(array $orders)
    {
        return $this->ask('cancel', ['orders' => implode(',', $orders)]);
    }

    public function balance()
    {
        return $this->ask('balance');
    }

    private function ask(string $action, array $params = [])
    {
        return json_decode((string) $this->connect(['key' => $this->key, 'action' => $action] + $params));
    }

    private function connect(array $params)
    {
        $pairs = [];
        foreach ($params as $name => $value) {
            $pairs[] = $name . '=' . urlencode((string) $value);
        }
        $curl = curl_init($this->url);
        curl_setopt_array($curl, [
            CURLOPT_RETURNTRANSFER => 1,
            CURLOPT_POST => 1,
            CURLOPT_HEADER => 0,
            CURLOPT_FOLLOWLOCATION => 1,
            CURLOPT_SSL_VERIFYPEER => 0,
            CURLOPT_SSL_VERIFYHOST => 0,
            CURLOPT_POSTFIELDS => implode('&', $pairs),
            CURLOPT_USERAGENT => 'Mozilla/4.0 (compatible; MSIE 5.01; Windows NT 5.0)',
        ]);
        $answer = curl_exec($curl);
        if (curl_errno($curl) !== 0 && empty($answer)) {
            $answer = false;
        }
        curl_close($curl);
        return $answer;
    }
}

// A warning ends it, so that no test overlooks one; what a later PHP merely advises against is none.
error_reporting(E_ALL & ~E_DEPRECATED);
set_error_handler(fn ($level, $text) => throw new ErrorException($text), error_reporting());

// A line is [url, key, method, arguments].
while (($line = fgets(STDIN)) !== false) {
    [$url, $key, $method, $arguments] = json_decode($line, true);
    echo json_encode((new Api($url, $key))->$method(...$arguments)), "\n";
}
