// fard overlay import, pack, fetch: how packages come into the library.
#include <toml++/toml.h>

#include <fstream>
#include <sstream>

#include "base/size.hpp"
#include "cli/console.hpp"
#include "cli/overlay.hpp"
#include "client/locate.hpp"
#include "model/model.hpp"
#include "overlays/finn/merge.hpp"
#include "overlays/package/files.hpp"
#include "overlays/package/signature.hpp"
#include "overlays/package/toml_table.hpp"
#include "runtime/peer/codec.hpp"
#include "runtime/peer/messages_board.hpp"

namespace fard::cli::overlay {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
constexpr std::uint64_t max_file_bytes = std::uint64_t{1} << 30;

Result<std::map<std::string, std::string>> files_of(const Package& package) {
    std::map<std::string, std::string> files;
    for (const auto& [name, hash] : package.manifest.files) {
        auto bytes = read_regular_file(package.dir / name, max_file_bytes);
        if (!bytes) return fail(bytes.error());
        files[name] = std::move(*bytes);
    }
    return files;
}

Result<finn::StageNetwork> network_of(const std::string& file) {
    auto onnx = read_regular_file(file, max_file_bytes);
    if (!onnx) return fail(onnx.error());
    const auto model = model::Model::parse(*onnx, file);
    if (!model) return fail(model.error());
    return finn::StageNetwork{file, std::move(*onnx), model->inputs(), model->outputs()};
}

Result<> report(const Library& library, const Manifest& manifest, const std::map<std::string, std::string>& files) {
    const auto package = library.add(manifest, files);
    if (!package) return fail(package.error());
    out("{}  {}\n", package->id, package->manifest.name);
    return {};
}

}  // namespace

Result<> import(const Options& options) {
    const auto what = argument(options, "a deployment (a directory, a .zip, a .bit) or a package's archive (.tar)");
    if (!what) return fail(what.error());
    const auto library = library_for(options);
    if (!library) return fail(library.error());
    if (fs::path(*what).extension() == ".tar") {
        const auto bytes = read_regular_file(*what, max_file_bytes);
        if (!bytes) return fail(bytes.error());
        const auto package = library->add_archive(*bytes);
        if (!package) return fail_in(*what, package.error());
        out("{}  {}\n", package->id, package->manifest.name);
        return {};
    }
    const auto deployment = finn::read_deployment(*what);
    if (!deployment) return fail(deployment.error());
    finn::ImportOptions import_options{options.text("name"), {}};
    if (options.given("model")) {
        auto network = network_of(options.text("model"));
        if (!network) return fail(network.error());
        import_options.network = std::move(*network);
    }
    auto imported = finn::import_deployment(*deployment, import_options);
    if (!imported) return fail(imported.error());
    for (const auto& text : imported->notes) note(text);
    if (!options.given("into")) return report(*library, imported->manifest, imported->files);
    const auto base = package_named(options, options.text("into"));
    if (!base) return fail(base.error());
    auto files = files_of(*base);
    if (!files) return fail(files.error());
    auto manifest = base->manifest;
    if (auto added = finn::add_builds(manifest, *files, *imported); !added) return added;
    return report(*library, manifest, *files);
}

// The same package with a signature: another manifest, and so another id.
Result<> sign_package(const Options& options) {
    const auto what = argument(options, "a package");
    if (!what) return fail(what.error());
    if (!options.given("key")) return fail(Fault::invalid_input, "`fard overlay sign` needs --key FILE (`fard overlay new-key` makes one)");
    const auto library = library_for(options);
    if (!library) return fail(library.error());
    const auto package = package_named(options, *what);
    if (!package) return fail(package.error());
    const auto files = files_of(*package);
    if (!files) return fail(files.error());
    const auto signed_manifest = sign(package->manifest, options.text("key"));
    return signed_manifest ? report(*library, *signed_manifest, *files) : fail(signed_manifest.error());
}

// overlay.toml without [files]: the directory says which there are.
Result<> pack(const Options& options) {
    const auto what = argument(options, "a directory with overlay.toml and the files of the package");
    if (!what) return fail(what.error());
    const auto library = library_for(options);
    if (!library) return fail(library.error());
    std::map<std::string, std::string> files;
    std::error_code error;
    for (fs::directory_iterator entry(*what, error), end; !error && entry != end; entry.increment(error)) {
        auto bytes = read_regular_file(entry->path(), max_file_bytes);
        if (!bytes) return fail(bytes.error());
        files[entry->path().filename().string()] = std::move(*bytes);
    }
    if (error) return fail(Fault::not_found, "{}: {}", *what, error.message());
    const auto text = files.extract("overlay.toml");
    const auto where = (fs::path(*what) / "overlay.toml").string();
    if (text.empty()) return fail(Fault::not_found, "there is no {}; docs/overlays.md says what it holds", where);
    auto table = parse_toml(text.mapped(), where);
    if (!table) return fail(table.error());
    toml::table sums;
    for (const auto& [name, bytes] : files) sums.insert(name, sha256_hex(bytes));
    table->insert_or_assign("files", std::move(sums));
    std::ostringstream complete;
    complete << *table;
    const auto manifest = Manifest::parse(complete.str(), where);
    return manifest ? report(*library, *manifest, files) : fail(manifest.error());
}

namespace {

// The archive's pieces behind those that are in the file already. Errors: those of the node manager.
Result<> fetch_pieces(const std::vector<Address>& doors, const std::string& id, const fs::path& part) {
    std::error_code ignored;
    std::uint64_t have = fs::exists(part, ignored) ? fs::file_size(part, ignored) / wire::piece_bytes * wire::piece_bytes : 0;
    if (have > 0) fs::resize_file(part, have, ignored);
    std::ofstream file(part, std::ios::binary | std::ios::app);
    ProgressLine progress;
    for (std::uint64_t total = have + 1; have < total;) {
        const auto answer = ask_first(doors, wire::Fetch{id, have}, 20s);
        if (!answer) return fail(answer.error());
        const auto* piece = answer->body.as<wire::Piece>();
        if (!piece || piece->offset != have || piece->bytes.empty())
            return fail(Fault::failed, "{} answered FETCH with {}", answer->door.endpoint, wire::name_of(answer->body));
        total = piece->total;
        file.write(piece->bytes.data(), static_cast<std::streamsize>(piece->bytes.size()));
        have += piece->bytes.size();
        if (!file.flush())
            return fail(Fault::io, "{}: cannot be written ({} of {} bytes are there): make room, and fetch again to go on", part.string(),
                        have, total);
        progress.show(fmt::format("{} of {}", bytes_text(have), bytes_text(total)));
    }
    return {};
}

}  // namespace

Result<> fetch(const Options& options) {
    const auto id = argument(options, "a package's id, as `fard status` shows it");
    if (!id) return fail(id.error());
    if (id->size() != 64) return fail(Fault::invalid_input, "'{}' is no id of a package (64 hex digits)", *id);
    const auto library = library_for(options);
    if (!library) return fail(library.error());
    const auto found = locate(locate_options(options.text("node")));
    if (!found) return fail(found.error());
    if (found->doors.empty()) return fail(Fault::unreachable, "no node to ask: give --node");
    const auto part = library->dir() / (*id + ".part");
    if (auto fetched = fetch_pieces(found->doors, *id, part); !fetched) return fetched;
    const auto bytes = read_regular_file(part, max_file_bytes);
    if (!bytes) return fail(bytes.error());
    std::error_code ignored;
    fs::remove(part, ignored);
    const auto package = library->add_archive(*bytes);
    if (!package) return fail(package.error());
    if (package->id != *id) {
        static_cast<void>(library->remove(*package));
        return fail(Fault::corrupt, "what came is {}, not {}: it was tampered with or damaged", package->id, *id);
    }
    out("{}  {}\n", package->id, package->manifest.name);
    return {};
}

}  // namespace fard::cli::overlay
