/// The data that a prompt gives a model, besides its instructions. Pure.
#pragma once

#include <string>
#include <string_view>

namespace omnibus::simulator {

/// The texts in the JSON objects and arrays that a message contains, a line each: those of several words, and single
/// words. Ids, labels with digits or underscores, and names of members are left out. Empty when there is no such JSON.
std::string texts_of_data(std::string_view message);

}  // namespace omnibus::simulator
