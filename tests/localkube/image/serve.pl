use strict;
use warnings;
use IO::Socket::INET;

my $server = IO::Socket::INET->new(LocalPort => 8080, Listen => 5, ReuseAddr => 1) or die "cannot listen: $!";
# A probe connects and goes away: writing to it must not end the server.
$SIG{PIPE} = 'IGNORE';

while (my $client = $server->accept) {
    while (my $line = <$client>) {
        last unless $line =~ /\S/;
    }
    print $client "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";
    close $client;
}
