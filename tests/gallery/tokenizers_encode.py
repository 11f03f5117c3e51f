# name: tokenizers
# kind: Python, Rust's rayon in a wheel, with TOKENIZERS_PARALLELISM=true
# need: /usr/bin/python3.11 python3.11
# pip: tokenizers==0.23.3
# forks: 20
# bare: hangs
# remains: rayon's threads are gone, and its locks are futexes, which cannot be seen; `TOKENIZERS_PARALLELISM=false` helps (not set, it does without threads in a child)
import os

os.environ["TOKENIZERS_PARALLELISM"] = "true"
import tokenizers
from gallery import play

words = {"forks": 0, "hang": 1, "seldom": 2, "?": 3}
tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, "?"))
tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()


def encode():
    return [encoding.ids for encoding in tokenizer.encode_batch(["forks hang"] * 100)]


expected = encode()
play(tokenizers.__version__, lambda: encode() == expected)
