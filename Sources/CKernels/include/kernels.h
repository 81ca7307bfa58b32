// The innermost loops, one function per idea. Each is compiled for several instruction sets and picks one at load time.
#ifndef MICROTOME_KERNELS_H
#define MICROTOME_KERNELS_H

#include "kernels_activations.h"
#include "kernels_augmentation.h"
#include "kernels_blosc.h"
#include "kernels_convolution.h"
#include "kernels_convolution_gradients.h"
#include "kernels_distillation.h"
#include "kernels_labels.h"
#include "kernels_label_runs.h"
#include "kernels_layout.h"
#include "kernels_logits.h"
#include "kernels_losses.h"
#include "kernels_morphology.h"
#include "kernels_pointwise.h"
#include "kernels_random.h"
#include "kernels_resample.h"
#include "kernels_runs.h"
#include "kernels_scan.h"
#include "kernels_training.h"

#endif
