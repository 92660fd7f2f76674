# Ruby's open-uri with nothing but the environment: a GET.
require 'open-uri'

puts URI.open('https://api.openai.com/v1/models', 'Authorization' => "Bearer #{ENV.fetch('OPENAI_API_KEY')}").read
