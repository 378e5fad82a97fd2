"""The other side of `lamplighter-bench encoder`: the same weights in onnxruntime, fp32, on the processor.

    encoder_onnxruntime.py MODEL_FOLDER THREADS

Builds an ONNX graph from `config.json` and `model.safetensors` (BERT; needs numpy, onnx, onnxruntime and
safetensors), of the operators that onnxruntime's own optimiser for transformers ends up with: Attention with merged
weights, SkipLayerNormalization and BiasGelu. No mask: all texts of a batch are of one length.

Then answers each line `BATCH LENGTH SECONDS` of its input with a line `PASSES SECONDS`: passes of that shape in a
row, timed together. A line `check` is answered with the first numbers of a fixed text's last layer.
"""

import json
import sys
import time

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file


def build(folder, fused=True):
    with open(f"{folder}/config.json") as file:
        config = json.load(file)
    weights = load_file(f"{folder}/model.safetensors")
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    epsilon = config["layer_norm_eps"]
    nodes, constants = [], {}

    def constant(name, array):
        constants[name] = numpy_helper.from_array(numpy.ascontiguousarray(array), name)
        return name

    def weight(name):
        return constant(name, weights[name])

    def node(operator, inputs, **attributes):
        output = f"{operator}{len(nodes)}"
        domain = "com.microsoft" if operator in {"Attention", "SkipLayerNormalization", "BiasGelu"} else ""
        nodes.append(helper.make_node(operator, inputs, [output], domain=domain, **attributes))
        return output

    def norm(name):
        return [weight(f"{name}.weight"), weight(f"{name}.bias")]

    words = node("Gather", [weight("embeddings.word_embeddings.weight"), "ids"])
    length = node("Slice", [node("Shape", ["ids"]), constant("one", numpy.array([1])), constant("two", numpy.array([2]))])
    positions = node("Slice", [weight("embeddings.position_embeddings.weight"), constant("zero", numpy.array([0])), length])
    places = node("Add", [positions, constant("type", weights["embeddings.token_type_embeddings.weight"][0])])
    rows = node("Add", [words, places])
    rows = node("LayerNormalization", [rows, *norm("embeddings.LayerNorm")], epsilon=epsilon, axis=-1)
    for number in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{number}"
        parts = [f"{layer}.attention.self.{part}" for part in ("query", "key", "value")]
        merged = constant(f"{layer}.qkv.weight", numpy.concatenate([weights[f"{part}.weight"].T for part in parts], 1))
        bias = constant(f"{layer}.qkv.bias", numpy.concatenate([weights[f"{part}.bias"] for part in parts]))
        mixed = node("Attention", [rows, merged, bias], num_heads=heads)

        def linear(rows, name):
            return node("MatMul", [rows, constant(f"{name}.weight", weights[f"{name}.weight"].T)])

        def add(new, old, name, dense):
            inputs = [new, old, *norm(name), weight(f"{dense}.bias")]
            return node("SkipLayerNormalization", inputs, epsilon=epsilon)

        dense = f"{layer}.attention.output.dense"
        rows = add(linear(mixed, dense), rows, f"{layer}.attention.output.LayerNorm", dense)
        dense = f"{layer}.intermediate.dense"
        inner = node("BiasGelu", [linear(rows, dense), weight(f"{dense}.bias")])
        dense = f"{layer}.output.dense"
        rows = add(linear(inner, dense), rows, f"{layer}.output.LayerNorm", dense)
    nodes[-1].output[0] = "rows"
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["batch", "length", hidden])],
        list(constants.values()),
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def ids(batch, length):
    # Any tokens do; the bench asks for the same ones on its own side.
    return numpy.array([[1000 + (row * 131 + place * 31) % 20000 for place in range(length)] for row in range(batch)])


def main():
    folder, threads = sys.argv[1], int(sys.argv[2])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    model = build(folder).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    print(f"onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}", flush=True)
    for line in sys.stdin:
        if line.strip() == "check":
            rows = session.run(None, {"ids": ids(2, 16)})[0]
            print(*(f"{number:.8f}" for number in rows[1, :, :8].ravel()), flush=True)
            continue
        batch, length, seconds = line.split()
        feed = {"ids": ids(int(batch), int(length))}
        session.run(None, feed)
        passes, began = 0, time.perf_counter()
        while (taken := time.perf_counter() - began) < float(seconds):
            session.run(None, feed)
            passes += 1
        print(passes, taken, flush=True)


main()
