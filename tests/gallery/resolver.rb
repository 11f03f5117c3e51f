# name: Ruby's Addrinfo
# kind: Ruby, names looked up in threads
# need: ruby ruby
# forks: 400
# bare: hangs
require "socket"
require_relative "gallery"

def resolve
  Addrinfo.getaddrinfo("localhost", 80, nil, :STREAM, nil, Socket::AI_ADDRCONFIG)
end

play(RUBY_VERSION, 2, -> { resolve }) { resolve.map(&:inspect_sockaddr).include?("127.0.0.1:80") }
