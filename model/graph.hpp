// replaced by the model's typed graph
#pragma once
namespace fard::model { struct Graph {}; }
