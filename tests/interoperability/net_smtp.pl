# Sends one message by Net::SMTP: PORT FILE SENDER RECIPIENT,... [ssl=CHAIN | starttls=CHAIN] [name=NAME]
# [mechanism=WORD user=USER password=PASSWORD].
# In: a file whose lines end with CRLF. Out: status 0 when it was taken, 3 when AUTH was refused, 1 for all else.
use strict;
use warnings;
use Net::SMTP;

my ($port, $file, $sender, $recipients, @options) = @ARGV;
my %option = map { split /=/, $_, 2 } @options;

open(my $input, '<:raw', $file) or die "$file: $!\n";
my $content = do { local $/; <$input> };
# Net::SMTP ends lines itself.
$content =~ s/\r\n/\n/g;

my %trust = (SSL_ca_file => $option{ssl} // $option{starttls}, SSL_verifycn_name => $option{name});
my $smtp = Net::SMTP->new(
    Host => '127.0.0.1', Port => $port, Hello => 'client.example', Timeout => 30,
    $option{ssl} ? (SSL => 1, %trust) : (),
) or die "no connection: $@\n";
if ($option{starttls}) {
    $smtp->starttls(%trust) or die 'STARTTLS: ', $smtp->message, "$IO::Socket::SSL::SSL_ERROR\n";
}
if ($option{mechanism}) {
    require Authen::SASL;
    my $sasl = Authen::SASL->new(
        mechanism => $option{mechanism},
        callback => { user => $option{user}, authname => '', pass => $option{password} },
    );
    if (!$smtp->auth($sasl)) {
        print 'AUTH: ', $smtp->code, ' ', $smtp->message, "\n";
        exit($smtp->code == 535 ? 3 : 1);
    }
}
$smtp->mail($sender) or die 'MAIL: ', $smtp->message;
for my $recipient (split /,/, $recipients) {
    $smtp->to($recipient) or die 'RCPT: ', $smtp->message;
}
$smtp->data or die 'DATA: ', $smtp->message;
$smtp->datasend($content) or die "mail data: $!\n";
$smtp->dataend or die 'end of mail data: ', $smtp->message;
$smtp->quit;
