# Ruby's net/http with nothing but the environment: a GET and a POST over one connection, or a stream.
require 'net/http'

HEADERS = {
  'Authorization' => "Bearer #{ENV.fetch('OPENAI_API_KEY')}",
  'Content-Type' => 'application/json',
}.freeze

$stdout.sync = true
Net::HTTP.start('api.openai.com', 443, use_ssl: true) do |http|
  if ARGV[0] == 'stream'
    post = Net::HTTP::Post.new('/v1/chat/completions', HEADERS)
    post.body = '{"stream": true}'
    http.request(post) { |answer| answer.read_body { |part| print part } }
  else
    puts http.get('/v1/models', HEADERS).body
    puts http.post('/v1/chat/completions', '{}', HEADERS).body
  end
end
