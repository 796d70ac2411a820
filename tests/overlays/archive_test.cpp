#include <archive.h>
#include <archive_entry.h>

#include <functional>
#include <memory>
#include <vector>

#include "overlays/package/archive_layout.hpp"
#include "overlays/package/package.hpp"
#include "tests/overlays/scratch.hpp"

using namespace fard;

namespace {

struct Member {
    std::string name;
    std::string bytes;
    std::function<void(archive_entry*)> twist;  // makes it hostile
};

la_ssize_t collect(::archive*, void* out, const void* bytes, std::size_t count) {
    static_cast<std::string*>(out)->append(static_cast<const char*>(bytes), count);
    return static_cast<la_ssize_t>(count);
}

// A tar of any members, for what the package writer would never write.
std::string tar_of(const std::vector<Member>& members) {
    std::string out;
    std::unique_ptr<::archive, decltype(&archive_write_free)> writer(archive_write_new(), archive_write_free);
    archive_write_set_format_pax_restricted(writer.get());
    archive_write_open(writer.get(), &out, nullptr, collect, nullptr);
    for (const auto& member : members) {
        std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(),
                                                                            archive_entry_free);
        archive_entry_set_pathname(entry.get(), member.name.c_str());
        archive_entry_set_filetype(entry.get(), AE_IFREG);
        archive_entry_set_size(entry.get(), static_cast<la_int64_t>(member.bytes.size()));
        if (member.twist) member.twist(entry.get());
        archive_write_header(writer.get(), entry.get());
        archive_write_data(writer.get(), member.bytes.data(), member.bytes.size());
    }
    archive_write_close(writer.get());
    return out;
}

// A small package as members, and its id.
struct Whole {
    std::vector<Member> members;
    std::string id;
};

Whole whole() {
    auto manifest = small_manifest();
    manifest.files = {{"stage.onnx", sha256_hex("onnx")}};
    const auto toml = manifest.to_toml();
    return {{{"overlay.toml", toml, {}}, {"stage.onnx", "onnx", {}}}, sha256_hex(toml)};
}

// Unpacks what must be refused; gives the reason.
std::string refusal(const std::string& bytes, const std::string& id) {
    const Scratch scratch;
    const auto unpacked = unpack_archive(bytes, id, scratch / "p");
    REQUIRE_FALSE(unpacked);
    CHECK(unpacked.error().fault == Fault::corrupt);
    CHECK(scratch.is_empty());
    const auto streamed = unpack_archive_to(
        [&](std::uint64_t offset, std::size_t count) { return Result<std::string>(bytes.substr(offset, count)); },
        bytes.size(), id, [](const std::string&, std::uint64_t, std::string_view) { return Result<>(); });
    REQUIRE_FALSE(streamed);
    CHECK(streamed.error().fault == Fault::corrupt);
    return unpacked.error().message;
}

bool refused_with(std::vector<Member> extra, const std::string& reason) {
    auto [members, id] = whole();
    members.insert(members.end(), extra.begin(), extra.end());
    const auto message = refusal(tar_of(members), id);
    INFO(message);
    CHECK(message.find(reason) != std::string::npos);
    return true;
}

}  // namespace

TEST_CASE("an archive brings the same package elsewhere") {
    const Scratch scratch;
    const auto package = Package::write(scratch / "a", small_manifest(), small_files()).value();
    const auto bytes = fard::archive(package).value();
    const auto unpacked = unpack_archive(bytes, package.id, scratch / "b").value();
    CHECK(unpacked.manifest.to_toml() == package.manifest.to_toml());
    CHECK(Package::open(scratch / "b")->id == package.id);
    CHECK(fard::archive(unpacked).value() == bytes);
    const auto again = unpack_archive(bytes, package.id, scratch / "b");
    CHECK(again.error().fault == Fault::invalid_input);
    CHECK(scratch.entries() == 2);
}

TEST_CASE("any range of an archive is made of the files alone") {
    const Scratch scratch;
    const auto package = Package::write(scratch / "a", small_manifest(), small_files()).value();
    const auto bytes = fard::archive(package).value();
    auto files = small_files();
    files["overlay.toml"] = package.manifest.to_toml();
    std::map<std::string, std::uint64_t> sizes;
    for (const auto& [name, content] : files)
        sizes[name] = content.size();
    const ArchiveLayout layout(sizes);
    REQUIRE(layout.total() == bytes.size());
    const auto read = [&](const std::string& name, std::uint64_t offset, std::size_t count) {
        return Result<std::string>(files.at(name).substr(offset, count));
    };
    for (std::uint64_t offset = 0; offset < bytes.size() + 600; offset += 509)
        for (const std::size_t count : {1u, 511u, 512u, 4000u, 150'000u})
            REQUIRE(layout.read(offset, count, read).value() ==
                    (offset < bytes.size() ? bytes.substr(offset, count) : ""));
    CHECK(layout.read(0, bytes.size(), [](auto&&...) { return Result<std::string>("short"); }).error().fault ==
          Fault::corrupt);
    const auto packed = pack_archive(small_manifest(), small_files()).value();
    CHECK(packed.id == package.id);
    CHECK(packed.bytes == bytes);
}

TEST_CASE("an archive is unpacked block by block, from anywhere to anywhere") {
    const auto packed = pack_archive(small_manifest(), small_files()).value();
    std::map<std::string, std::string> written;
    const auto sizes = unpack_archive_to(
        [&](std::uint64_t offset, std::size_t count) {
            CHECK(count <= 1u << 18);
            return Result<std::string>(packed.bytes.substr(offset, count));
        },
        packed.bytes.size(), packed.id, [&](const std::string& name, std::uint64_t offset, std::string_view bytes) {
            CHECK(offset == written[name].size());
            written[name] += bytes;
            return Result<>();
        });
    REQUIRE(sizes);
    CHECK(sizes->at("finn-accel.bit") == 100'000);
    for (const auto& [name, content] : small_files())
        CHECK(written.at(name) == content);
    const auto full = unpack_archive_to(
        [&](std::uint64_t offset, std::size_t count) { return Result<std::string>(packed.bytes.substr(offset, count)); },
        packed.bytes.size(), packed.id, [](auto&&...) { return Result<>(fail(Fault::io, "the disk is full")); });
    CHECK(full.error().message == "the disk is full");
    const auto gone = unpack_archive_to([](auto&&...) { return Result<std::string>(fail(Fault::io, "cannot read")); },
                                        packed.bytes.size(), packed.id, [](auto&&...) { return Result<>(); });
    CHECK(gone.error().message == "cannot read");
}

TEST_CASE("a hand-made archive of a whole package is taken") {
    const Scratch scratch;
    const auto [members, id] = whole();
    CHECK(unpack_archive(tar_of(members), id, scratch / "p"));
}

TEST_CASE("hostile members are refused and leave nothing") {
    refused_with({{"../climb", "x", {}}}, "not a plain file name");
    refused_with({{"/etc/fard", "x", {}}}, "not a plain file name");
    refused_with({{"dir/file", "x", {}}}, "not a plain file name");
    refused_with({{".", "", [](auto* e) { archive_entry_set_filetype(e, AE_IFDIR); }}},
                 "not a plain file name");
    refused_with({{"dir", "", [](auto* e) { archive_entry_set_filetype(e, AE_IFDIR); }}}, "not a");
    refused_with({{"link", "",
                   [](auto* e) {
                       archive_entry_set_filetype(e, AE_IFLNK);
                       archive_entry_set_symlink(e, "/etc/passwd");
                   }}},
                 "not a regular file");
    refused_with({{"hard", "", [](auto* e) { archive_entry_set_hardlink(e, "/etc/passwd"); }}},
                 "not a regular file");
    refused_with({{"device", "",
                   [](auto* e) {
                       archive_entry_set_filetype(e, AE_IFCHR);
                       archive_entry_set_rdev(e, 0x0101);
                   }}},
                 "not a regular file");
    refused_with({{"pipe", "", [](auto* e) { archive_entry_set_filetype(e, AE_IFIFO); }}},
                 "not a regular file");
    refused_with({{"stage.onnx", "onnx", {}}}, "twice");
    refused_with({{"overlay.toml", "x", {}}}, "twice");
    refused_with({{"extra", "x", {}}}, "does not list");
    refused_with({{"holes", "x",
                   [](auto* e) {
                       archive_entry_set_size(e, la_int64_t{1} << 50);
                       archive_entry_sparse_add_entry(e, 0, 1);
                   }}},
                 "");
}

TEST_CASE("what is missing or not what it should be is named") {
    auto [members, id] = whole();
    CHECK(refusal(tar_of({members[1]}), id).find("no overlay.toml") != std::string::npos);
    CHECK(refusal(tar_of({members[0]}), id).find("lacks stage.onnx") != std::string::npos);
    CHECK(refusal(tar_of(members), sha256_hex("another")).find(sha256_hex("another")) != std::string::npos);
    members[1].bytes = "xnno";
    CHECK(refusal(tar_of(members), id).find("stage.onnx") != std::string::npos);
}

TEST_CASE("sizes that the archive does not have are refused before memory is taken") {
    auto [members, id] = whole();
    auto bytes = tar_of(members);
    // The size field of the first header, octal, with the checksum put right.
    bytes.replace(124, 11, "77777777777");
    unsigned sum = 8 * ' ';
    for (int i = 0; i < 512; ++i)
        if (i < 148 || i >= 156) sum += static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
    bytes.replace(148, 7, fmt::format("{:06o}", sum) + std::string(1, '\0'));
    CHECK(refusal(bytes, id).find("more bytes than the archive has") != std::string::npos);
}

TEST_CASE("every truncation and every changed byte of the headers is an error or the same package") {
    const auto [members, id] = whole();
    const auto bytes = tar_of(members);
    const Scratch scratch;
    for (std::size_t length = 0; length < 2048 && length < bytes.size(); length += 7)
        CHECK_FALSE(unpack_archive(std::string_view(bytes).substr(0, length), id, scratch / "p"));
    for (std::size_t at = 0; at < 2048 && at < bytes.size(); at += 5) {
        auto changed = bytes;
        changed[at] = static_cast<char>(changed[at] ^ 0x11);
        if (unpack_archive(changed, id, scratch / "p")) std::filesystem::remove_all(scratch / "p");
    }
    CHECK(scratch.is_empty());
    CHECK_FALSE(unpack_archive("", id, scratch / "p"));
    CHECK_FALSE(unpack_archive(std::string(10240, '\0'), id, scratch / "p"));
}
