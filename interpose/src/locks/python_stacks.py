# Runs before a fork of a Python program that is recorded, in the thread that forks; see python.rs. Says what each
# thread does: a line `thread TID NAME`, then `FILE:LINE FUNCTION` for each frame, innermost first.
FRAMES = 32  # of each thread
ROOM = 16 << 10


def stack(frame):
    for _ in range(FRAMES):
        if frame is None:
            return
        code = frame.f_code
        name = getattr(code, "co_qualname", code.co_name)
        yield "%s:%s %s" % (code.co_filename, frame.f_lineno, name)
        frame = frame.f_back


def lines(own):
    me = modules["_thread"].get_ident()
    known = getattr(modules.get("threading"), "_active", {})
    yield "thread %d %s" % (modules["_thread"].get_native_id(), getattr(known.get(me), "_name", ""))
    yield from stack(own)
    for ident, frame in sys._current_frames().items():
        if ident != me:
            thread = known.get(ident)
            yield "thread %d %s" % (getattr(thread, "_native_id", None) or 0, getattr(thread, "_name", ""))
            yield from stack(frame)


sys = modules["sys"]
text, room = [], ROOM
# The frame of this code is none of the program's.
for line in lines(sys._getframe().f_back):
    line = line.replace("\n", " ").encode("utf-8", "backslashreplace") + b"\n"
    room -= len(line)
    if room < 0:
        break
    text.append(line)
tell(b"".join(text))
