# name: Perl's strftime
# kind: Perl, threads that write dates
# need: perl perl
# forks: 200
# bare: hangs
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use POSIX ();
use gallery;

sub date { POSIX::strftime("%Y-%m-%d", localtime 86400 * 365) }

play(sub { date() eq "1971-01-01" }, \&date);
