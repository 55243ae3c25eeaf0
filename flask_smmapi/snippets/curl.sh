API_URL='https://panel.example/api/v2'
API_KEY='YOUR_API_KEY'

# --- balance
# Read the body, whatever the HTTP status: a refusal is {"error": "..."}.
curl "$API_URL" -d key="$API_KEY" -d action=balance

# --- services
curl "$API_URL" -d key="$API_KEY" -d action=services

# --- add
# In doubt, as after a timeout or a status of 500 and more, send it again: one request_id places one order.
curl "$API_URL" -d key="$API_KEY" -d action=add -d request_id=shop-order-1001 \
  -d service=123 --data-urlencode link='https://example.com/post' -d quantity=1000

# --- status
# Many at once, with a comma between two.
curl "$API_URL" -d key="$API_KEY" -d action=status \
  -d orders='507f1f77bcf86cd799439011,507f1f77bcf86cd799439012,507f1f77bcf86cd799439013'

# --- cancel
curl "$API_URL" -d key="$API_KEY" -d action=cancel -d order='507f1f77bcf86cd799439011'

# --- refill
# The answer has the refill's id, to ask for its status with.
curl "$API_URL" -d key="$API_KEY" -d action=refill -d order='507f1f77bcf86cd799439012'

# --- refill_status
curl "$API_URL" -d key="$API_KEY" -d action=refill_status -d refill='507f191e810c19729de860ea'
