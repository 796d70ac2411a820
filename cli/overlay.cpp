// fard overlay: packages of accelerators.
#include "cli/overlay.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "overlays/package/signature.hpp"
#include "base/replace_file.hpp"
#include "base/size.hpp"
#include "base/suggest.hpp"

namespace fard::cli {
namespace overlay {

Result<Library> library_for(const Options& options) {
    return Library::open(options.given("store") ? std::filesystem::path(options.text("store")) : Library::own_dir());
}

Result<std::string> argument(const Options& options, const std::string& what) {
    if (options.positionals() > 1) return options.positional(1);
    return fail(Fault::invalid_input, "`fard overlay {}` needs {}", options.positional(0), what);
}

Result<Package> package_named(const Options& options, const std::string& what) {
    if (std::filesystem::is_regular_file(std::filesystem::path(what) / "overlay.toml")) return Package::open(what);
    const auto library = library_for(options);
    if (!library) return fail(library.error());
    auto found = library->find(what);
    if (found) library->touch(*found);
    return found;
}

namespace {

std::string parts_of(const Manifest& manifest) {
    std::string parts;
    for (const auto& build : manifest.hardware)
        parts += (parts.empty() ? "" : " ") + (build.part.empty() ? "any" : build.part) + (build.bitstream.empty() ? "(plan)" : "");
    if (manifest.files.contains("stage.onnx")) parts += parts.empty() ? "cpu" : " cpu";
    return parts;
}

Result<> list(const Options& options) {
    const auto library = library_for(options);
    if (!library) return fail(library.error());
    std::vector<std::string> damaged;
    const auto entries = library->list(&damaged);
    if (!entries) return fail(entries.error());
    for (const auto& why : damaged) err("fard overlay: {}\n", why);
    if (options.given("json")) {
        auto rows = nlohmann::json::array();
        for (const auto& entry : *entries)
            rows.push_back({{"id", entry.package.id}, {"name", entry.package.manifest.name}, {"version", entry.package.manifest.version},
                            {"bytes", entry.bytes}, {"for", parts_of(entry.package.manifest)}});
        out("{}\n", nlohmann::json{{"store", library->dir().string()}, {"packages", std::move(rows)}}.dump());
        return {};
    }
    for (const auto& entry : *entries)
        out("{}  {:>9}  {:<24}  {}\n", entry.package.id.substr(0, 16), bytes_text(entry.bytes), entry.package.manifest.name,
            parts_of(entry.package.manifest));
    if (entries->empty()) note(fmt::format("no packages in {}; `fard overlay import` adds one", library->dir().string()));
    return {};
}

Result<> export_archive(const Options& options) {
    const auto what = argument(options, "a package");
    if (!what) return fail(what.error());
    if (!options.given("out")) return fail(Fault::invalid_input, "`fard overlay export` needs --out FILE.tar");
    const auto package = package_named(options, *what);
    if (!package) return fail(package.error());
    const auto bytes = archive(*package);
    if (!bytes) return fail(bytes.error());
    if (auto written = replace_file(options.text("out"), *bytes); !written) return written;
    out("{}\n", package->id);
    return {};
}

Result<> gc(const Options& options) {
    const auto keep = parse_size(options.text("keep", "0"));
    if (!keep) return fail_in("--keep", keep.error());
    if (!options.given("keep")) return fail(Fault::invalid_input, "`fard overlay gc` needs --keep SIZE: what may stay (such as 500M)");
    const auto library = library_for(options);
    if (!library) return fail(library.error());
    auto entries = library->list();
    if (!entries) return fail(entries.error());
    for (const auto& entry : to_remove(std::move(*entries), *keep)) {
        if (auto removed = library->remove(entry.package); !removed) return removed;
        out("{}  {}\n", entry.package.id.substr(0, 16), entry.package.manifest.name);
    }
    return {};
}

Result<> new_key(const Options& options) {
    if (!options.given("key")) return fail(Fault::invalid_input, "`fard overlay new-key` needs --key FILE: where the key is to be");
    const auto key = make_signing_key(options.text("key"));
    if (!key) return fail(key.error());
    out("{}\n", *key);
    return {};
}

struct Action {
    const char* name;
    Result<> (*run)(const Options&);
};
constexpr Action actions[] = {{"list", list}, {"info", info}, {"pack", pack}, {"import", import}, {"export", export_archive},
                              {"verify", verify}, {"fetch", fetch}, {"gc", gc}, {"sign", sign_package},
                              {"new-key", new_key}};

CommandSpec spec() {
    return {"overlay",
            "packages of accelerators (ACTION: list, info, pack, import, export, verify, fetch, gc, sign, new-key)",
            {"ACTION", "[WHAT]"},
            {{"key", "FILE", "sign: the key to sign with; new-key: where to write one"},
             {"signer", "KEY", "verify: a public key; the package must be signed by one of them", true},
             {"store", "DIR", "where packages are kept (XDG_DATA_HOME/fard/overlays)"},
             {"name", "NAME", "import: the overlay's name (the bitstream's)"},
             {"model", "FILE.onnx", "import: the stage that the hardware computes, for CPUs, and to hold the driver against"},
             {"into", "WHAT", "import: adds the build to that package, for another part"},
             {"board", "PROFILE", "verify: whether a board of that kind takes it"},
             {"part", "PART", "verify: the same for a part, such as xc7z020clg484-1"},
             {"accept-part", "PART", "verify: a part whose bitstreams the board is to take as well", true},
             {"out", "FILE", "export: the archive to write"},
             {"keep", "SIZE", "gc: removes the least lately used until at most that much stays"},
             {"node", "ADDRESS", "fetch: the node manager to ask"},
             {"json", "", "print one JSON object"}}};
}

Result<> run(const Options& options) {
    std::vector<std::string> names;
    for (const auto& action : actions) {
        if (options.positional(0) == action.name) return action.run(options);
        names.emplace_back(action.name);
    }
    return fail(Fault::invalid_input, "unknown action '{}'{}; there are list, info, pack, import, export, verify, fetch, gc, sign and new-key",
                options.positional(0), did_you_mean(options.positional(0), names));
}

}  // namespace
}  // namespace overlay

Command overlay_command() {
    return {overlay::spec(), overlay::run};
}

}  // namespace fard::cli
