# omnibus_together(RESULT FILE...): sources that include these, six at a time. Most of the work of compiling a file is the headers
# it includes: six files together take half the time. Files of one library therefore cannot define the same name in their
# anonymous namespaces. Unlike those of CMake's unity build, the sources have no absolute path in them, so that clones and
# copies of the tree share what is in the compiler cache.
function(omnibus_together result)
  set(together)
  set(batch)
  foreach(file ${ARGN})
    list(APPEND batch ${file})
    list(LENGTH batch size)
    if(size EQUAL 6)
      omnibus_join(together ${batch})
      set(batch)
    endif()
  endforeach()
  if(batch)
    omnibus_join(together ${batch})
  endif()
  set(${result} ${together} PARENT_SCOPE)
endfunction()

# omnibus_join(LIST FILE...): appends to the list a source that includes these, or the one file itself.
function(omnibus_join list)
  set(joined ${ARGN})
  if(ARGC GREATER 2)
    list(LENGTH ${list} number)
    set(joined ${CMAKE_CURRENT_BINARY_DIR}/together_${number}.cpp)
    set(text)
    foreach(file ${ARGN})
      file(RELATIVE_PATH name ${CMAKE_SOURCE_DIR} ${file})
      string(APPEND text "#include \"${name}\"\n")
    endforeach()
    file(CONFIGURE OUTPUT ${joined} CONTENT "${text}" @ONLY)
  endif()
  set(${list} ${${list}} ${joined} PARENT_SCOPE)
endfunction()

# The sources of this folder and those below it, but main.cpp.
function(omnibus_sources result)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/main.cpp)
  set(${result} ${sources} PARENT_SCOPE)
endfunction()

# omnibus_library(NAME [GENERATED file...] [EXCEPT file...] DEPENDS target...): the library omnibus_NAME of a folder, with
# all its sources but those.
function(omnibus_library name)
  cmake_parse_arguments(arg "" "" "GENERATED;EXCEPT;DEPENDS" ${ARGN})
  omnibus_sources(sources)
  if(arg_EXCEPT)
    list(TRANSFORM arg_EXCEPT PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
    list(REMOVE_ITEM sources ${arg_EXCEPT})
  endif()
  if(OMNIBUS_TOGETHER)
    omnibus_together(sources ${sources})
  endif()
  if(sources)
    add_library(omnibus_${name} STATIC ${sources} ${arg_GENERATED})
    target_link_libraries(omnibus_${name} PUBLIC omnibus_options ${arg_DEPENDS})
  else()
    add_library(omnibus_${name} INTERFACE)
    target_link_libraries(omnibus_${name} INTERFACE omnibus_options ${arg_DEPENDS})
  endif()
endfunction()

# omnibus_worker(NAME DEPENDS target...): the binary omnibus-NAME, in bin/ of the build folder; all of it but main.cpp is
# the library omnibus_worker_NAME, which knows nothing of the engine and is what tests link.
function(omnibus_worker name)
  omnibus_library(worker_${name} ${ARGN})
  omnibus_binary(omnibus-${name} omnibus_worker_${name} omnibus_engine)
endfunction()

# omnibus_binary(NAME LIBRARY...): main.cpp of this folder, linked with these libraries, in bin/ of the build folder.
function(omnibus_binary name)
  add_executable(${name} main.cpp)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  target_link_libraries(${name} PRIVATE ${ARGN} omnibus_malloc)
endfunction()

# omnibus_tests(NAME DEPENDS target...): the tests of this folder and those below it. A file's suffix says what its tests need:
# _test nothing, _pgtest PostgreSQL, _kafkatest a broker. Each suffix is one binary and one ctest label.
function(omnibus_tests name)
  cmake_parse_arguments(arg "" "" "DEPENDS" ${ARGN})
  foreach(kind test pgtest kafkatest)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_${kind}.cpp)
    if(sources)
      add_executable(${name}_${kind} ${sources})
      set_target_properties(${name}_${kind} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
      target_link_libraries(${name}_${kind} PRIVATE omnibus_options omnibus_doctest_main ${arg_DEPENDS})
      add_test(NAME ${name}_${kind} COMMAND ${name}_${kind})
      set_tests_properties(${name}_${kind} PROPERTIES LABELS ${kind})
    endif()
  endforeach()
endfunction()
