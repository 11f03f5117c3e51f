# What the programs in Perl share: forks while other threads are at work.
use strict;
use warnings;
use POSIX ();
use threads;
use Time::HiRes ();

use constant { WRONG => 3, DEADLINE_MS => 10_000, LOOK_EVERY_MS => 100 };

# It has one thread, which is in futex() without a time-out, the fourth argument.
sub waits_for_nobody {
    my ($pid) = @_;
    return 0 if 1 != (() = glob "/proc/$pid/task/*");
    open my $file, '<', "/proc/$pid/syscall" or return 0;
    my @call = split ' ', <$file> // '';
    return @call > 4 && $call[0] eq '202' && $call[4] eq '0x0';
}

# Waits for a child to end; returns whether it hung instead, and was killed.
sub is_hung {
    my ($pid) = @_;
    for my $ms (1 .. DEADLINE_MS) {
        return 0 if waitpid($pid, POSIX::WNOHANG()) == $pid;
        last if $ms % LOOK_EVERY_MS == 0 && waits_for_nobody($pid);
        Time::HiRes::usleep(1000);
    }
    kill KILL => $pid;
    waitpid($pid, 0);
    return 1;
}

# Each child calls $child, which returns whether all is well; three threads call $hammer all the time.
sub play {
    my ($child, $hammer) = @_;
    my ($forks, $most) = @ARGV;
    $| = 1;
    printf "version: %vd\n", $^V;
    threads->create(sub { $hammer->() while 1 })->detach for 1 .. 3;
    my ($done, $hangs, $crashes, $wrong) = (0, 0, 0, 0);
    while ($done < $forks && $hangs < $most) {
        my $pid = fork // die "fork: $!";
        POSIX::_exit($child->() ? 0 : WRONG) if $pid == 0;
        my $hung = is_hung($pid);
        $done++;
        $hangs += $hung;
        $wrong += $? == WRONG << 8;
        $crashes += !$hung && $? != 0 && $? != WRONG << 8;
    }
    print "forks=$done hangs=$hangs crashes=$crashes wrong=$wrong\n";
    POSIX::_exit(0);
}

1;
