// A stage that every device can run: x of UINT4 times 3.
#pragma once

#include "model/model.hpp"
#include "overlays/package/package.hpp"
#include "tests/model/onnx_maker.hpp"
#include "tests/overlays/scratch.hpp"

namespace fard {

inline std::string triple() {
    model::test::OnnxMaker maker;
    maker.input("x", {1, 2}).annotate("x", "UINT4");
    maker.constant("w", {2, 2}, {3, 0, 0, 3});
    maker.node("MatMul", {"x", "w"}, "y");
    maker.output("y").annotate("y", "UINT6");
    return maker.bytes();
}

inline Package package_of(const Scratch& scratch, const std::string& onnx, const std::vector<Hardware>& hardware = {},
                          const std::string& name = "triple") {
    const auto model = model::Model::parse(onnx, "made").value();
    Manifest manifest;
    manifest.name = name;
    manifest.inputs = model.inputs();
    manifest.outputs = model.outputs();
    manifest.hardware = hardware;
    return Package::write(scratch / name, manifest, {{"stage.onnx", onnx}}).value();
}

}  // namespace fard
