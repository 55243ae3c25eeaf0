<?php

const API_URL = 'https://panel.example/api/v2';
const API_KEY = 'YOUR_API_KEY';

class ApiError extends RuntimeException
{
    public $retryAfter; // the code is HTTP's: 429 and 503 say here how many seconds to wait
}

function call(string $action, array $params = []): array
{
    $retryAfter = null;
    $curl = curl_init(API_URL);
    curl_setopt_array($curl, [
        CURLOPT_POSTFIELDS => http_build_query(['key' => API_KEY, 'action' => $action] + $params),
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 30,
        CURLOPT_HEADERFUNCTION => function ($curl, $line) use (&$retryAfter) {
            $retryAfter = stripos($line, 'Retry-After:') === 0 ? trim(substr($line, 12)) : $retryAfter;
            return strlen($line);
        },
    ]);
    $body = curl_exec($curl);
    if ($body === false) {
        throw new RuntimeException(curl_error($curl));
    }
    $status = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
    $answer = json_decode($body, true) ?? ['error' => "HTTP $status without JSON"]; // a proxy's page, perhaps
    if ($status !== 200 || isset($answer['error'])) { // a refusal may come with status 200
        $refusal = new ApiError($answer['error'] ?? "HTTP $status", $status);
        $refusal->retryAfter = $retryAfter;
        throw $refusal;
    }
    return $answer;
}

// --- balance
$balance = call('balance');
echo "balance {$balance['balance']} {$balance['currency']}\n"; // an amount is a string: never make it a float

// --- services
foreach (call('services') as $service) {
    echo "{$service['service']} {$service['name']} {$service['rate']}\n";
}

// --- add
// In doubt, as after a timeout or a status of 500 and more, send it again: one request_id places one order.
$order = ['service' => 123, 'link' => 'https://example.com/post', 'quantity' => 1000];
$added = call('add', $order + ['request_id' => 'shop-order-1001']);
echo "order {$added['order']}\n";

// --- status
// Many at once; each has an answer of its own.
$orders = ['507f1f77bcf86cd799439011', '507f1f77bcf86cd799439012', '507f1f77bcf86cd799439013'];
foreach (call('status', ['orders' => implode(',', $orders)]) as $order => $row) {
    echo $order, ' ', $row['error'] ?? $row['status'], "\n";
}

// --- cancel
try {
    call('cancel', ['order' => '507f1f77bcf86cd799439011']);
    echo "canceled\n";
} catch (ApiError $refusal) {
    echo 'not canceled: ', $refusal->getMessage(), "\n";
}

// --- refill
$asked = call('refill', ['order' => '507f1f77bcf86cd799439012']);
echo "refill {$asked['refill']}\n"; // its id, to ask for its status with

// --- refill_status
$refill = call('refill_status', ['refill' => '507f191e810c19729de860ea']);
echo "refill_status {$refill['status']}\n";
