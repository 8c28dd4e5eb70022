# dvren_hotpath_executor: the whole of hotpath with the CUDA backend by the host executor: its kernels compiled as C++,
# and their grid and block loops run on the CPU (backends/cuda/kernel.h). For tests (tests/gpu); built when one asks for
# it, without CUDA.
set(executor_generated "${CMAKE_CURRENT_BINARY_DIR}/executor/generated")
set(HP_BACKENDS "HP_BACKEND(HP_DEVICE_CPU, cpu)" "HP_BACKEND(HP_DEVICE_CUDA, cuda)")
hp_write_registrations("${executor_generated}")
# Files of their own around the kernels' sources, which are CUDA where that is on.
set(executor_kernels "")
foreach(name forward_single forward_double backward_single backward_double parameters mask)
  set(source "${CMAKE_CURRENT_BINARY_DIR}/executor/${name}.cpp")
  file(CONFIGURE OUTPUT "${source}" CONTENT "#include \"backends/cuda/${name}.cu\"\n")
  list(APPEND executor_kernels "${source}")
endforeach()
set_source_files_properties(${executor_kernels} PROPERTIES COMPILE_OPTIONS
  "-O2;-Wno-uninitialized;-Wno-maybe-uninitialized")
add_library(dvren_hotpath_executor STATIC EXCLUDE_FROM_ALL abi/context.cpp $<TARGET_OBJECTS:dvren_hotpath_common>
  ${executor_kernels} backends/cuda/cuda_backend.cpp backends/cuda/launch_counts.cpp backends/cuda/mask_host.cpp
  backends/cuda/parameter_store.cpp backends/cuda/runtime.cpp backends/cuda/runtime_host.cpp)
set(HP_GENERATED_DIR "${executor_generated}")
hp_target(dvren_hotpath_executor)
target_link_libraries(dvren_hotpath_executor PRIVATE Threads::Threads)
