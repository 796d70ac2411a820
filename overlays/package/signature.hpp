// Who vouches for a package: an Ed25519 signature in its manifest, over the manifest without it. The manifest lists the
// SHA-256 of every file, so that the signature covers all of them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "overlays/package/package.hpp"

namespace fard {

// Makes a signing key: a file of mode 0600 with its seed. Returns the public key, 64 hex digits. Errors: invalid_input (the
// file exists), io.
Result<std::string> make_signing_key(const std::filesystem::path& file);

// The manifest with a signature of that key in place of any it has. Errors: not_found, io, corrupt (no key in it), refused
// (others can read it).
Result<Manifest> sign(Manifest manifest, const std::filesystem::path& key_file);

// Whether one of `signers` (public keys) signed the manifest; with no signers every package is fine. `what` names the
// package. Errors: refused (not signed, or by a stranger), corrupt (the signature is not of this manifest).
Result<> check_signature(const Manifest& manifest, const std::vector<std::string>& signers, const std::string& what);

bool is_signer_key(std::string_view hex);  // 64 lower-case hex digits

}  // namespace fard
