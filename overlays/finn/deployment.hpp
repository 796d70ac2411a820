// What FINN leaves for a Zynq board (its `deploy` directory, or a zip of it), as an overlay package:
//
//   bitfile/finn-accel.bit, .hwh        programmed; addresses and clock
//   driver/driver.py                    io_shape_dict: types, shapes, folding, DMAs; read as data, never run
//   driver/runtime_weights/             .dat for registers, .npy for DMAs
//
// A bitstream alone, with or without its .hwh beside it, is one too: it can be programmed, and moves no tensors.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "overlays/package/package.hpp"

namespace fard::finn {

// Files that matter, by their path in the deployment.
struct DeploymentFiles {
    std::string where;  // for messages
    std::map<std::string, std::string> files;
    bool alone = false;  // `where` is one of the files, and the others lie beside it

    std::string place_of(const std::string& path) const;  // of one of them, for messages
};

// A directory, a zip archive or a .bit/.bin. Errors: not_found, io; corrupt (a damaged archive); invalid_input (larger than
// any deployment).
Result<DeploymentFiles> read_deployment(const std::filesystem::path& path);

// The bytes of a zip archive. Errors: as read_deployment.
Result<DeploymentFiles> read_zip(std::string_view bytes, const std::string& where);

// The stage that the hardware computes, where it is known: it gives the tensors their names, and CPUs something to run.
struct StageNetwork {
    std::string where;  // for messages
    std::string onnx;
    std::vector<TensorDesc> inputs, outputs;
};

struct ImportOptions {
    std::string name;  // of the overlay; "": the bitstream's
    std::optional<StageNetwork> network;
};

struct ImportedPackage {
    Manifest manifest;
    std::map<std::string, std::string> files;
    std::vector<std::string> notes;  // what was not there, and what follows from that
};

// Holds everything against everything: header, hand-off, driver, weights, network. Errors: invalid_input (a contradiction:
// both sides of it), and those of the readers.
Result<ImportedPackage> import_deployment(const DeploymentFiles& deployment, const ImportOptions& options);

}  // namespace fard::finn
