/// Objects that the event loops of a process have in common.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <typeindex>
#include <utility>

namespace omnibus {

/// Keeps one object of each type and name for all handlers of a process. A handler asks for its objects when it is
/// constructed: handlers of all loops are constructed on one thread, before any event. The objects themselves are used
/// on all loops at once.
class SharedObjects {
 public:
  /// The object of that name. The first caller's `make` creates it: a function that returns a std::shared_ptr<T>.
  template <class T, class Make>
  std::shared_ptr<T> get(std::string_view name, Make make) {
    auto& object = objects_[{typeid(T), std::string{name}}];
    if (!object) object = std::shared_ptr<T>{make()};
    return std::static_pointer_cast<T>(object);
  }

 private:
  std::map<std::pair<std::type_index, std::string>, std::shared_ptr<void>> objects_;
};

}  // namespace omnibus
