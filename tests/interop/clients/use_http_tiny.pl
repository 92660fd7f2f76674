# Perl's HTTP::Tiny with nothing but the environment: a GET and a POST, or a stream.
use strict;
use warnings;
use HTTP::Tiny;

$| = 1;
my $url = 'https://api.openai.com/v1';
my $headers = {Authorization => "Bearer $ENV{OPENAI_API_KEY}", 'Content-Type' => 'application/json'};
my $http = HTTP::Tiny->new(verify_SSL => 1, default_headers => $headers);

sub good {
    my $answer = shift;
    die "$answer->{status} $answer->{reason} $answer->{content}\n" unless $answer->{success};
    return $answer->{content} // '';
}

if ($ARGV[0] eq 'stream') {
    my %asked = (content => '{"stream": true}', data_callback => sub { print $_[0] });
    good($http->post("$url/chat/completions", \%asked));
} else {
    print good($http->get("$url/models")), "\n";
    print good($http->post("$url/chat/completions", {content => '{}'})), "\n";
}
