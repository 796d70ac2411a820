// fard overlay info, verify: what a package holds, and whether a board takes it.
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "base/size.hpp"
#include "cli/console.hpp"
#include "cli/overlay.hpp"
#include "overlays/bitstream/gate.hpp"
#include "overlays/package/files.hpp"
#include "overlays/package/signature.hpp"
#include "overlays/profiles/board_profile.hpp"

namespace fard::cli::overlay {
namespace {

using nlohmann::json;

// A build's bitstream, as its file says. Errors: those of the readers.
Result<bitstream::Bitstream> bitstream_of(const Package& package, const Hardware& build) {
    const auto path = package.dir / build.bitstream;
    const auto file = read_regular_file(path, bitstream::max_file_bytes);
    if (!file) return fail(file.error());
    return bitstream::read_bitstream(*file, path.string());
}

json describe(const std::vector<TensorDesc>& tensors) {
    auto list = json::array();
    for (const auto& tensor : tensors)
        list.push_back({{"name", tensor.name}, {"shape", tensor.shape}, {"type", tensor.type.name()}, {"wire_bytes", tensor.wire_bytes()}});
    return list;
}

json describe(const Package& package, const Hardware& build, const std::optional<bitstream::Bitstream>& bits) {
    json row{{"part", build.part}, {"clock_mhz", build.clock_mhz}, {"latency_cycles", build.latency_cycles},
             {"interval_cycles", build.interval_cycles}, {"resources", build.resources}};
    auto accelerators = json::array();
    for (const auto& block : build.registers)
        accelerators.push_back({{"name", block.name}, {"kind", block.kind}, {"address", block.address}, {"bytes", block.bytes}});
    row["accelerators"] = std::move(accelerators);
    if (!bits) return row;
    row["bitstream"] = {{"file", build.bitstream}, {"bytes", bits->bytes}, {"sync_at", bits->sync_at},
                        {"sha256", package.manifest.files.at(build.bitstream)}, {"compressed", bits->compressed},
                        {"encrypted", bits->encrypted}};
    if (bits->header)
        row["bitstream"].update({{"design", bits->header->design}, {"part", bits->header->part}, {"date", bits->header->date},
                                 {"time", bits->header->time}});
    return row;
}

void print(const Hardware& build, const std::optional<bitstream::Bitstream>& bits) {
    out("\nhardware  {}\n", build.part.empty() ? "for no part in particular" : build.part);
    if (build.clock_mhz > 0) out("  clock      {} MHz\n", build.clock_mhz);
    if (build.interval_cycles > 0)
        out("  cycles     {} between chunks, {} through it ({})\n", build.interval_cycles, build.latency_cycles,
            build.figures.empty() ? "source unknown" : build.figures);
    if (bits) {
        out("  bitstream  {}, {} bytes of configuration, sync word at byte {}\n", build.bitstream, bits->bytes, bits->sync_at);
        if (bits->header)
            out("  made       {} {} for {}: {}\n", bits->header->date, bits->header->time, bits->header->part, bits->header->design);
        if (bits->compressed || bits->encrypted)
            out("  it is      {}{}\n", bits->compressed ? "compressed " : "", bits->encrypted ? "encrypted" : "");
    } else {
        out("  bitstream  none: its figures are a plan's\n");
    }
    for (const auto& block : build.registers)
        out("  registers  0x{:08x}  {:>8}  {}  {}\n", block.address, bytes_text(block.bytes), block.name, block.kind);
    for (const auto* streams : {&build.inputs, &build.outputs})
        for (const auto& stream : *streams)
            out("  {}  ({}) of {}, folded ({}), packed ({}), by {}\n", streams == &build.inputs ? "input    " : "output   ",
                fmt::join(stream.normal, ", "), stream.type, fmt::join(stream.folded, ", "), fmt::join(stream.packed, ", "), stream.dma);
    for (const auto& weights : build.weights) out("  weights    {} for {}\n", weights.file, weights.block);
}

}  // namespace

Result<> info(const Options& options) {
    const auto what = argument(options, "a package");
    if (!what) return fail(what.error());
    const auto package = package_named(options, *what);
    if (!package) return fail(package.error());
    const auto& manifest = package->manifest;
    const bool as_json = options.given("json");
    if (!as_json) {
        out("id        {}\nname      {}\nversion   {}\nstored    {}\n", package->id, manifest.name, manifest.version, package->dir.string());
        for (const auto* tensors : {&manifest.inputs, &manifest.outputs})
            for (const auto& tensor : *tensors)
                out("{}  {}  {}  {}  {} bytes\n", tensors == &manifest.inputs ? "input   " : "output  ", tensor.name,
                    fmt::join(tensor.shape, "x"), tensor.type.name(), tensor.wire_bytes());
        out("signed    {}\n", manifest.signature.key.empty() ? "by nobody" : "by " + manifest.signature.key);
        out("on CPUs   {}\n", manifest.files.contains("stage.onnx") ? "stage.onnx" : "no: there is no stage.onnx");
    }
    auto builds = json::array();
    for (const auto& build : manifest.hardware) {
        std::optional<bitstream::Bitstream> bits;
        if (!build.bitstream.empty()) {
            auto read = bitstream_of(*package, build);
            if (!read) return fail(read.error());
            bits = std::move(*read);
        }
        if (as_json) builds.push_back(describe(*package, build, bits));
        else print(build, bits);
    }
    if (as_json)
        out("{}\n", json{{"id", package->id}, {"name", manifest.name}, {"version", manifest.version}, {"inputs", describe(manifest.inputs)},
                         {"outputs", describe(manifest.outputs)}, {"files", manifest.files}, {"signer", manifest.signature.key}, {"hardware", std::move(builds)}}.dump());
    return {};
}

namespace {

// The part that a board declares. Errors: those of the profiles.
Result<std::string> board_part(const Options& options) {
    if (options.given("part")) return options.text("part");
    const auto directory = find_board_profiles();
    if (!directory) return fail(directory.error());
    const auto profile = load_board_profile(*directory, options.text("board"));
    if (!profile) return fail(profile.error());
    return profile->part.value;
}

// Every build whose die is the board's goes through the gate; one that passes is enough.
Result<std::string> pass_gate(const Package& package, const std::string& part, const std::vector<std::string>& accepted) {
    Error last{Fault::unsupported, fmt::format("{} has no bitstream at all; boards run it on their CPU or not", package.manifest.name)};
    for (const auto& build : package.manifest.hardware) {
        if (build.bitstream.empty()) continue;
        const auto path = package.dir / build.bitstream;
        const auto file = read_regular_file(path, bitstream::max_file_bytes);
        if (!file) return fail(file.error());
        auto passed = bitstream::pass_gate(*file, path.string(), {part, accepted, build.part, package.manifest.files.at(build.bitstream)});
        if (passed) return build.bitstream;
        last = passed.error();
    }
    return fail(std::move(last));
}

Result<> verify_one(const Options& options, const Package& found) {
    const auto package = Package::open(found.dir);  // every byte of it
    if (!package) return fail(package.error());
    if (auto is_signed = check_signature(package->manifest, options.texts("signer"), package->id.substr(0, 16)); !is_signed) return is_signed;
    if (!options.given("board") && !options.given("part")) {
        out("{}  {}: {} files as its manifest lists them\n", package->id.substr(0, 16), package->manifest.name,
            package->manifest.files.size());
        return {};
    }
    const auto part = board_part(options);
    if (!part) return fail(part.error());
    const auto passed = pass_gate(*package, *part, options.texts("accept-part"));
    if (!passed) return fail(passed.error());
    out("{}  {}: {} can be programmed on {}\n", package->id.substr(0, 16), package->manifest.name, *passed, *part);
    return {};
}

}  // namespace

Result<> verify(const Options& options) {
    if (options.positionals() > 1) {
        const auto package = package_named(options, options.positional(1));
        return package ? verify_one(options, *package) : fail(package.error());
    }
    const auto library = library_for(options);
    if (!library) return fail(library.error());
    std::vector<std::string> damaged;
    const auto entries = library->list(&damaged);
    if (!entries) return fail(entries.error());
    Result<> all;
    for (const auto& entry : *entries)
        if (auto verified = verify_one(options, entry.package); !verified) {
            err("fard overlay verify: {}\n", verified.error().message);
            all = verified;
        }
    for (const auto& why : damaged) {
        err("fard overlay verify: {}\n", why);
        all = fail(Fault::corrupt, "a package of {} is damaged", library->dir().string());
    }
    return all;
}

}  // namespace fard::cli::overlay
