# How everything of ours is compiled.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_library(omnibus_options INTERFACE)
target_compile_options(omnibus_options INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow)
if(OMNIBUS_WERROR)
  target_compile_options(omnibus_options INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  # False alarms of GCC 12 and 13 inside libstdc++ and in coroutine frames.
  target_compile_options(omnibus_options INTERFACE -Wno-restrict -Wno-maybe-uninitialized -Wno-array-bounds
                                                   -Wno-stringop-overflow -Wno-stringop-overread -Wno-mismatched-new-delete
                                                   -Wno-dangling-pointer)
elseif(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # False alarms of GCC 14 in std::variant and in coroutine frames.
  target_compile_options(omnibus_options INTERFACE -Wno-maybe-uninitialized -Wno-mismatched-new-delete)
endif()
if(OMNIBUS_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(omnibus_options INTERFACE -Wno-tsan) # Asio's fences, which ThreadSanitizer does not follow
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(omnibus_options INTERFACE --param=ggc-min-heapsize=400000) # kB; GCC collects garbage less often
  if(OMNIBUS_TOGETHER) # warns of private parts in an anonymous namespace, in what it takes for a header
    target_compile_options(omnibus_options INTERFACE -Wno-subobject-linkage)
  endif()
endif()
if(OMNIBUS_FAILPOINTS)
  target_compile_definitions(omnibus_options INTERFACE OMNIBUS_FAILPOINTS)
endif()
target_include_directories(omnibus_options INTERFACE ${CMAKE_SOURCE_DIR}/common ${CMAKE_SOURCE_DIR})

set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
if(OMNIBUS_SANITIZE)
  add_compile_options(-fsanitize=${OMNIBUS_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  # Fixed addresses: sanitizers describe each object in a table, and relocating that made a program a third larger.
  add_link_options(-fsanitize=${OMNIBUS_SANITIZE} -no-pie)
endif()
