# Perl's LWP with nothing but the environment: a GET and a POST with one agent, or a stream.
use strict;
use warnings;
use LWP::UserAgent;

$| = 1;
my $url = 'https://api.openai.com/v1';
my $agent = LWP::UserAgent->new;
my @headers = (Authorization => "Bearer $ENV{OPENAI_API_KEY}", 'Content-Type' => 'application/json');

if ($ARGV[0] eq 'stream') {
    my $answer = $agent->post("$url/chat/completions", @headers, Content => '{"stream": true}', ':content_cb' => sub { print $_[0] });
    die $answer->status_line, "\n" unless $answer->is_success;
} else {
    for my $answer ($agent->get("$url/models", @headers), $agent->post("$url/chat/completions", @headers, Content => '{}')) {
        die $answer->status_line, "\n" unless $answer->is_success;
        print $answer->decoded_content, "\n";
    }
}
