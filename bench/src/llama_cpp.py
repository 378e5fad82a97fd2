"""The yardstick of decode.rs: llama.cpp by its bindings (pip install xllamacpp), on the file and threads given.

Reads lines of `tokens count` from standard input: computes `count` tokens behind a prompt of `tokens` tokens and
answers `prefill decode`, both in tokens a second as llama.cpp itself measured.
"""

import json
import sys

import xllamacpp


def main():
    path, threads = sys.argv[1], int(sys.argv[2])
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx = 2048
    params.n_parallel = 1
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.cache_prompt = False
    params.verbosity = 0
    server = xllamacpp.Server(params)
    for line in sys.stdin:
        tokens, count = (int(word) for word in line.split())
        prompt = [100 + 7 * index for index in range(tokens)]
        request = {"prompt": prompt, "n_predict": count, "temperature": 0, "ignore_eos": True, "cache_prompt": False}
        answer = server.handle_completions(request)
        timings = (json.loads(answer) if isinstance(answer, str) else answer)["timings"]
        print("figures", timings["prompt_per_second"], timings["predicted_per_second"], flush=True)


main()
