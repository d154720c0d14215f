-- What do the language models cost us a day?
SELECT
    date_trunc('day', time) AS day,
    service_name,
    gen_ai_request_model AS model,
    count(*) AS calls,
    sum(gen_ai_usage_input_tokens) AS input_tokens,
    sum(gen_ai_usage_output_tokens) AS output_tokens
FROM spans
WHERE time >= now() - INTERVAL '7 days' AND gen_ai_request_model IS NOT NULL
GROUP BY date_trunc('day', time), service_name, gen_ai_request_model
ORDER BY day, input_tokens DESC
