// fard overlay: what its actions share. Internal to cli/overlay*.cpp.
#pragma once

#include "cli/options.hpp"
#include "overlays/package/library.hpp"

namespace fard::cli::overlay {

// --store, else the user's own: $XDG_DATA_HOME/fard/overlays, or ~/.local/share/fard/overlays. Errors: io.
Result<Library> library_for(const Options& options);

// The action's argument. Errors: invalid_input (it is missing).
Result<std::string> argument(const Options& options, const std::string& what);

// A package of the library, or a package's directory. Errors: those of Library::find.
Result<Package> package_named(const Options& options, const std::string& what);

Result<> info(const Options& options);
Result<> verify(const Options& options);
Result<> import(const Options& options);
Result<> pack(const Options& options);
Result<> fetch(const Options& options);
Result<> sign_package(const Options& options);

}  // namespace fard::cli::overlay
