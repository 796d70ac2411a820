#include "tests/zynq/zynq_world.hpp"

#include <doctest/doctest.h>

#include <random>

#include "model/model.hpp"
#include "model/reference.hpp"
#include "tests/model/onnx_maker.hpp"

namespace fard::test {
namespace {

constexpr std::int64_t elements_in = 24, elements_out = 12;

std::string numbered(const char* name, std::size_t i) { return name + std::to_string(i); }

HardwareTensor stream(const TensorDesc& tensor, std::int64_t inner, const std::string& dma) {
    HardwareTensor out;
    out.normal = tensor.shape;
    out.folded = tensor.shape;
    out.folded.back() /= inner;
    out.folded.push_back(inner);
    out.packed = out.folded;
    out.packed.back() = (inner * tensor.type.bits() + 7) / 8;
    out.type = tensor.type.name();
    out.dma = dma;
    return out;
}

Hardware build_of(const StageShape& shape, const model::Model& model) {
    Hardware build;
    build.part = shape.part;
    build.bitstream = "finn-accel.bit";
    build.clock_mhz = 100;
    build.latency_cycles = 5000;
    build.interval_cycles = 2000;
    std::uint64_t address = 0x40000000;
    const auto block = [&](const std::string& name, const std::string& kind) {
        build.registers.push_back({name, kind, address, 0x10000});
        address += 0x10000;
    };
    for (std::size_t i = 0; i < shape.streams; ++i) {
        build.inputs.push_back(stream(model.inputs()[i], shape.simd, numbered("idma", i)));
        block(numbered("idma", i), "xilinx.com:hls:IODMA_hls:1.0");
    }
    for (std::size_t i = 0; i < shape.streams; ++i) {
        build.outputs.push_back(stream(model.outputs()[i], shape.pe, numbered("odma", i)));
        block(numbered("odma", i), "xilinx.com:hls:IODMA_hls:1.0");
    }
    if (!shape.weights.empty()) block("weights0", "");
    for (const auto& [name, content] : shape.weights) build.weights.push_back({name, "weights0", 3});
    return build;
}

FakeDesign make_design(const Hardware& build, std::shared_ptr<const model::Model> model) {
    auto design = design_of_build(build, model->inputs(), model->outputs(), [model](const FakeDesign::Wire& in) {
        std::vector<std::span<const std::byte>> spans(in.begin(), in.end());
        return model::run_reference_wire(model->graph(), spans).value();
    });
    for (const auto& block : build.registers)
        if (block.name == "weights0") {
            if (build.weights[0].file.ends_with(".npy")) design.weight_dmas.push_back(block.address);
            else design.plain_words[block.address] = 64;
        }
    return design;
}

}  // namespace

std::string stage_onnx(const StageShape& shape) {
    model::test::OnnxMaker maker;
    const bool bipolar = shape.type == DataType::bipolar();
    const auto steps = (std::int64_t{1} << shape.type.bits()) - 1;
    for (std::size_t s = 0; s < shape.streams; ++s) {
        const auto x = numbered("x", s), w = numbered("w", s), sum = numbered("sum", s), t = numbered("t", s), y = numbered("y", s);
        std::vector<float> weights, thresholds;
        for (std::int64_t i = 0; i < elements_in * elements_out; ++i) weights.push_back(static_cast<float>((i * 7 + i / 5) % 3 - 1));
        for (std::int64_t i = 0; i < steps; ++i) thresholds.push_back(static_cast<float>(i - steps / 2 + static_cast<std::int64_t>(s)));
        maker.input(x, {1, elements_in}).annotate(x, shape.type.name());
        maker.constant(w, {elements_in, elements_out}, weights).annotate(w, "INT2");
        maker.node("MatMul", {x, w}, sum);
        maker.constant(t, {1, steps}, thresholds);
        auto& node = maker.node("MultiThreshold", {sum, t}, y, "qonnx.custom_op.general");
        const bool is_signed = shape.type.kind() == DataType::Kind::sint;
        model::test::set(node, "out_scale", bipolar ? 2.0 : 1.0);
        model::test::set(node, "out_bias", bipolar ? -1.0 : is_signed ? -static_cast<double>(steps / 2 + 1) : 0.0);
        model::test::set(node, "out_dtype", shape.type.name().c_str());
        maker.output(y).annotate(y, shape.type.name());
    }
    return maker.bytes();
}

ZynqWorld::ZynqWorld(FakeBoard::Setup board_setup, std::string part) : board(board_setup) {
    setup.part = std::move(part);
}

Package ZynqWorld::package(const StageShape& shape) {
    const auto onnx = stage_onnx(shape);
    const auto model = std::make_shared<const model::Model>(model::Model::parse(onnx, "made").value());
    MadeBitstream bits;
    bits.part = shape.part;
    bits.idcode = bitstream::idcode_of(bitstream::parse_part(shape.part).value()).value();
    bits.fill = shape.fill;
    Manifest manifest;
    manifest.name = "stage " + std::to_string(shape.fill);
    manifest.inputs = model->inputs();
    manifest.outputs = model->outputs();
    manifest.hardware.push_back(build_of(shape, *model));
    auto design = make_design(manifest.hardware.back(), model);
    board.know(bits.bin(), design);
    std::map<std::string, std::string> files{{"stage.onnx", onnx}, {"finn-accel.bit", bits.bit()}};
    files.insert(shape.weights.begin(), shape.weights.end());
    auto package = Package::write(scratch_.path() / ("p" + std::to_string(packages_++)), manifest, files).value();
    designs_[package.id] = std::move(design);
    return package;
}

FakeDesign ZynqWorld::design_of(const Package& package) const {
    return designs_.at(package.id);
}

std::vector<WireChunk> random_chunks(const Package& package, std::size_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<WireChunk> chunks(count);
    for (auto& chunk : chunks)
        for (const auto& tensor : package.manifest.inputs) {
            std::vector<std::int32_t> values(tensor.elements());
            for (auto& value : values) {
                value = std::uniform_int_distribution<std::int32_t>(static_cast<std::int32_t>(tensor.type.min()),
                                                                    static_cast<std::int32_t>(tensor.type.max()))(random);
                if (tensor.type == DataType::bipolar()) value = random() % 2 ? 1 : -1;
            }
            chunk.emplace_back(tensor.wire_bytes());
            REQUIRE(pack(tensor.type, values, chunk.back()));
        }
    return chunks;
}

namespace {

struct Places {
    std::vector<WireChunk> chunks;
    explicit Places(const Package& package, std::size_t count) : chunks(count) {
        for (auto& chunk : chunks)
            for (const auto& tensor : package.manifest.outputs) chunk.emplace_back(tensor.wire_bytes(), std::byte{0xee});
    }
};

Result<> submit(Device& device, std::uint64_t tag, const WireChunk& chunk, WireChunk& out, TimePoint deadline) {
    std::vector<Bytes> inputs(chunk.begin(), chunk.end());
    std::vector<MutableBytes> outputs(out.begin(), out.end());
    return device.submit(tag, inputs, outputs, deadline);
}

}  // namespace

std::vector<WireChunk> on_soft_device(const Package& package, const std::vector<WireChunk>& chunks) {
    auto device = open_device({"soft", "cpu0"}).value();
    REQUIRE(load_now(*device, package, TimePoint::max()));
    Places places(package, chunks.size());
    for (std::size_t i = 0; i < chunks.size(); ++i) {
        REQUIRE(submit(*device, i, chunks[i], places.chunks[i], TimePoint::max()));
        REQUIRE(await_chunk(*device, TimePoint::max()).value() == i);
    }
    return std::move(places.chunks);
}

Result<std::vector<WireChunk>> through(Device& device, FakeBoard& board, const Package& package, const std::vector<WireChunk>& chunks,
                                       Duration limit) {
    Places places(package, chunks.size());
    std::size_t sent = 0, received = 0;
    while (received < chunks.size()) {
        for (; sent < chunks.size() && sent - received < device.depth(); ++sent) {
            const auto given = submit(device, sent, chunks[sent], places.chunks[sent], board.now() + limit);
            if (!given && given.error().fault == Fault::refused && sent > received) break;
            if (!given) return fail(given.error());
        }
        const auto tag = device.complete();
        if (!tag) return fail(tag.error());
        if (!*tag) board.pause(std::chrono::microseconds(20));
        else if (**tag != received++) return fail(Fault::failed, "chunk {} came out of order", **tag);
    }
    return std::move(places.chunks);
}

}  // namespace fard::test
