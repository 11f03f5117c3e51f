# What the programs in Ruby share: forks while other threads are at work.

WRONG = 3
DEADLINE = 10
LOOK_EVERY = 0.1

# Each of its threads is in futex(), and none has a time-out, which is the fourth argument.
def waits_for_nobody?(pid)
  calls = Dir["/proc/#{pid}/task/*/syscall"].map { |path| File.read(path).split }
  calls.any? && calls.all? { |call| call[0] == "202" && call[4] == "0x0" }
rescue SystemCallError
  false # It has ended.
end

# Waits for a child to end; returns whether it hung instead, and was killed, and its status.
def watch(pid)
  ending = Process.detach(pid)
  looks = (DEADLINE / LOOK_EVERY).to_i
  hung = looks.times.none? { ending.join(LOOK_EVERY) || waits_for_nobody?(pid) } || ending.alive?
  Process.kill(:KILL, pid) if hung
  [hung, ending.value]
end

# Each child calls the block, which returns whether all is well; `count` threads call `hammer` all the time.
def play(version, count, hammer)
  forks, most = ARGV.map(&:to_i)
  puts "version: #{version}"
  $stdout.flush
  count.times { Thread.new { loop(&hammer) } }
  done = hangs = crashes = wrong = 0
  while done < forks && hangs < most
    pid = fork { exit!(yield ? 0 : WRONG) }
    hung, status = watch(pid)
    done += 1
    hangs += 1 if hung
    wrong += 1 if status.exitstatus == WRONG
    crashes += 1 unless hung || [0, WRONG].include?(status.exitstatus)
  end
  puts "forks=#{done} hangs=#{hangs} crashes=#{crashes} wrong=#{wrong}"
  $stdout.flush
  exit!(0)
end
