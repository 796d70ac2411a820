#include "overlays/package/signature.hpp"

#include <sys/stat.h>

#include <fstream>

#include "tests/overlays/scratch.hpp"

using namespace fard;

TEST_CASE("a signature vouches for a manifest, and for nothing else") {
    const Scratch scratch;
    const auto key = make_signing_key(scratch / "key").value();
    const auto stranger = make_signing_key(scratch / "stranger").value();
    CHECK(is_signer_key(key));
    const auto written = Package::write(scratch / "plain", small_manifest(), small_files()).value();
    const auto manifest = sign(written.manifest, scratch / "key").value();
    const auto package = Package::write(scratch / "signed", manifest, small_files()).value();
    const auto opened = Package::open(scratch / "signed").value();
    CHECK(opened.id != written.id);
    CHECK(opened.manifest.signature.key == key);
    CHECK(check_signature(opened.manifest, {stranger, key}, "p"));
    CHECK(check_signature(opened.manifest, {}, "p"));
    // An archive carries it.
    const auto unpacked = unpack_archive(archive(opened).value(), opened.id, scratch / "copy").value();
    CHECK(check_signature(unpacked.manifest, {key}, "p"));

    const auto by_stranger = check_signature(opened.manifest, {stranger}, "p").error();
    CHECK(by_stranger.fault == Fault::refused);
    CHECK(by_stranger.message.find(key) != std::string::npos);
    CHECK(check_signature(written.manifest, {key}, "p").error().fault == Fault::refused);
    auto tampered = opened.manifest;
    tampered.files["stage.onnx"] = std::string(64, '0');
    CHECK(check_signature(tampered, {key}, "p").error().fault == Fault::corrupt);
    tampered = opened.manifest;
    tampered.signature.value.back() = tampered.signature.value.back() == '0' ? '1' : '0';
    CHECK(check_signature(tampered, {key}, "p").error().fault == Fault::corrupt);
    tampered.signature.value = "no hex";
    CHECK(check_signature(tampered, {key}, "p").error().fault == Fault::corrupt);
    // Signing again is the same, and another key takes its place.
    CHECK(sign(manifest, scratch / "key").value().to_toml() == manifest.to_toml());
    CHECK(sign(manifest, scratch / "stranger").value().signature.key == stranger);
}

TEST_CASE("a key is kept to its owner") {
    const Scratch scratch;
    REQUIRE(make_signing_key(scratch / "key"));
    CHECK(make_signing_key(scratch / "key").error().fault == Fault::invalid_input);
    ::chmod((scratch / "key").c_str(), 0644);
    CHECK(sign(small_manifest(), scratch / "key").error().fault == Fault::refused);
    ::chmod((scratch / "key").c_str(), 0600);
    std::ofstream(scratch / "key") << "short";
    CHECK(sign(small_manifest(), scratch / "key").error().fault == Fault::corrupt);
    CHECK(sign(small_manifest(), scratch / "none").error().fault == Fault::not_found);
}
