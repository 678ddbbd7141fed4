"""More of op_cases.py: ops with a state: variables' rows and slices, generators of random numbers, containers that keep tensors."""

import itertools

import numpy as np
import tensorflow as tf
from op_cases import COMPLEX, FLOATS, INTEGERS, OpCase, compound, given, real, whole

R = tf.raw_ops
PHILOX = 1
_names = itertools.count()


def _after(change):
    """What an op leaves in a variable that began as x."""

    def call(x, *others):
        variable = tf.Variable(x)
        change(variable.handle, *others)
        return variable.read_value()

    return call


def _rows():
    rows = given(np.array([3, 0, 3, 1], np.int32))
    for name in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Update"):
        unordered = name == "Update"  # of two values for a row either may win
        op = getattr(R, "ResourceScatter" + name)
        change = lambda h, u, i, op=op: op(resource=h, indices=i, updates=u)  # noqa: E731
        indices = given(np.array([3, 0, 2, 1], np.int64)) if unordered else rows
        kinds = FLOATS + INTEGERS + (COMPLEX if name not in ("Max", "Min") else ())
        yield OpCase(f"ResourceScatter{name}", _after(change), (whole(5, 3, low=1), whole(4, 3, low=1, high=4), indices), kinds, gradient=False)
        yield OpCase(f"ResourceScatter{name} of a number", _after(lambda h, u, i, op=op: op(resource=h, indices=i, updates=u[0, 0])),
                     (whole(5, 3, low=1), whole(1, 1, low=2, high=4), indices), ("float32",), gradient=False)  # fmt: skip
        yield OpCase(f"ResourceScatter{name} of nothing", _after(lambda h, u, i, op=op: op(resource=h, indices=i[:0], updates=u[:0])),
                     (whole(5, 3), whole(4, 3), indices), gradient=False)  # fmt: skip
    places = given(np.array([[3, 0], [0, 2], [3, 0], [1, 1]], np.int32))
    for name in ("Add", "Sub", "Max", "Min", "Update"):
        op = getattr(R, "ResourceScatterNd" + name)
        indices = given(np.array([[3, 0], [0, 2], [3, 1], [1, 1]], np.int64)) if name == "Update" else places
        kinds = ("float32", "float64", "float16", "bfloat16", "int64", "int8", "uint8") if name != "Update" else FLOATS + INTEGERS + ("bool",)
        yield OpCase(
            f"ResourceScatterNd{name}", _after(lambda h, u, i, op=op: op(ref=h, indices=i, updates=u)), (whole(5, 3), whole(4), indices), kinds, gradient=False
        )


def _slices():
    slices = {"begin": [1, 3], "end": [3, 1], "strides": [1, -1]}
    yield OpCase("ResourceStridedSliceAssign", _after(lambda h, v: R.ResourceStridedSliceAssign(ref=h, value=v, **slices)), (real(5, 4), real(2, 2)),
                 FLOATS + INTEGERS, gradient=False)  # fmt: skip
    for name, begin, end, strides in (("apart", [0, 5], [7, 0], [3, -2]), ("backwards", [6, 1], [-8, 6], [-4, 4]), ("of nothing", [3, 2], [3, 5], [2, 2])):
        rows, columns = len(range(*slice(begin[0], end[0], strides[0]).indices(7))), len(range(*slice(begin[1], end[1], strides[1]).indices(6)))
        steps = {"begin": begin, "end": end, "strides": strides}
        yield OpCase(f"ResourceStridedSliceAssign {name}", _after(lambda h, v, s=steps: R.ResourceStridedSliceAssign(ref=h, value=v, **s)),
                     (real(7, 6), real(rows, columns)), FLOATS + INTEGERS, gradient=False)  # fmt: skip
        yield OpCase(f"TensorStridedSliceUpdate {name}", lambda x, v, s=steps: R.TensorStridedSliceUpdate(input=x, value=v, **s),
                     (real(7, 6), real(rows, columns)), FLOATS + COMPLEX)  # fmt: skip
        yield OpCase(f"TensorStridedSliceUpdate {name} of integers", lambda x, v, s=steps: R.TensorStridedSliceUpdate(input=x, value=v, **s),
                     (whole(7, 6), whole(rows, columns)), (*INTEGERS, "bool"), gradient=False)  # fmt: skip
    yield OpCase("ResourceStridedSliceAssign of values that are broadcast", _after(lambda h, v, w: [
        R.ResourceStridedSliceAssign(ref=h, value=v[0], begin=[0, 1], end=[7, 6], strides=[3, 2]),
        R.ResourceStridedSliceAssign(ref=h, value=w, begin=[1, 0, 0], end=[7, 0, 6], strides=[2, 1, 1], new_axis_mask=2),
        R.ResourceStridedSliceAssign(ref=h, value=v, begin=[6, 5], end=[7, 0], strides=[1, -3], shrink_axis_mask=1)]),
        (real(7, 6), real(1), real(3, 1, 1)), FLOATS + INTEGERS, gradient=False)  # fmt: skip

    def at_start(variable, at):
        assign = _after(lambda h, v: R.ResourceStridedSliceAssign(ref=h, value=v, begin=at, end=at, strides=at, ellipsis_mask=1))
        return assign(variable, 2 * variable)

    yield OpCase("strided assignments to a scalar and to nothing", lambda x: [at_start(x[0], [1]), at_start(x[:0], [1])], (real(3),), gradient=False)
    yield OpCase("ResourceStridedSliceAssign of a row", _after(lambda h, v: R.ResourceStridedSliceAssign(
        ref=h, value=v, begin=[2], end=[3], strides=[1], shrink_axis_mask=1)), (real(5, 4), real(4)), gradient=False)  # fmt: skip
    yield OpCase("AssignSubVariableOp", _after(lambda h, v: [R.AssignSubVariableOp(resource=h, value=v), R.AssignAddVariableOp(resource=h, value=2 * v)]),
                 (whole(3, 4), whole(3, 4)), FLOATS + INTEGERS, gradient=False)  # fmt: skip
    yield OpCase("AssignAddVariableOp of complex numbers", _after(lambda h, v: [R.AssignSubVariableOp(resource=h, value=v), R.AssignAddVariableOp(resource=h, value=2 * v)]),
                 (compound(3, 4), compound(3, 4)), COMPLEX, gradient=False)  # fmt: skip

    def counted(x):
        variable = tf.Variable(x)
        return [R.ResourceCountUpTo(resource=variable.handle, limit=9, T=tf.int64) for _ in range(3)] + [variable.read_value()]

    yield OpCase("ResourceCountUpTo", counted, (whole(low=2, high=5),), ("int64",), gradient=False)

    def copied(x):
        variable = tf.Variable(x)
        R.DisableCopyOnRead(resource=variable.handle)
        return [variable.read_value(), R.VariableShape(input=variable.handle, out_type=tf.int64), R.VarIsInitializedOp(resource=variable.handle)]

    yield OpCase("DisableCopyOnRead VariableShape", copied, (real(3, 4),), FLOATS, gradient=False)


def _generators():
    def drawn(name, **options):
        """Two draws, and the state after them."""

        def call(state):
            variable = tf.Variable(state + 0)  # the CPU's binomial op loses the new state where the variable shares its memory
            draws = [getattr(R, name)(resource=variable.handle, algorithm=PHILOX, shape=[2, 3], **options) for _ in range(2)]
            return [*draws, variable.read_value()]

        return call

    state = given(np.array([5, -3, 2**40], np.int64))
    for dtype in ("int32", "int64", "uint32", "uint64"):
        kind = tf.as_dtype(dtype)
        yield OpCase(f"StatefulUniformFullInt {dtype}", drawn("StatefulUniformFullInt", dtype=kind), (state,), gradient=False)
    for dtype in ("int32", "int64"):
        low, high = tf.constant(3, dtype).numpy(), tf.constant(1000, dtype).numpy()
        yield OpCase(f"StatefulUniformInt {dtype}", drawn("StatefulUniformInt", minval=low, maxval=high), (state,), gradient=False)
    for dtype in FLOATS:
        kind = tf.as_dtype(dtype)
        for name in ("StatefulUniform", "StatefulStandardNormalV2", "StatefulTruncatedNormal"):
            yield OpCase(f"{name} {dtype}", drawn(name, dtype=kind), (state,), gradient=False)
    yield OpCase("StatefulRandomBinomial", drawn("StatefulRandomBinomial", counts=10.0, probs=0.5), (state,), gradient=False)

    def generator(state):
        numbers = tf.random.Generator.from_state(state, alg=PHILOX)
        step = tf.function(lambda: [numbers.normal([3]), numbers.uniform([2], maxval=100, dtype=tf.int32), numbers.binomial([2], counts=10.0, probs=0.5)])
        return [*step(), *step(), numbers.state]

    yield OpCase("tf.random.Generator in a function", generator, (state,), gradient=False)

    def skipped(state):
        variable = tf.Variable(state)
        R.RngSkip(resource=variable.handle, algorithm=tf.constant(PHILOX, tf.int64), delta=tf.constant(1000, tf.int64))
        return [R.RngReadAndSkip(resource=variable.handle, alg=PHILOX, delta=tf.constant(2**33, tf.uint64)), variable.read_value()]

    yield OpCase("RngSkip RngReadAndSkip", skipped, (state,), gradient=False)


def _containers():
    def named(**options):
        return {"shared_name": f"of the case {next(_names)}", **options}

    def staged(x):
        at = named(dtypes=[x.dtype, tf.float32])
        R.Stage(values=[x, tf.ones([2])], shared_name=at["shared_name"])
        R.Stage(values=[2 * x, tf.zeros([3])], shared_name=at["shared_name"])
        results = [*R.StagePeek(index=1, **at), R.StageSize(**at), *R.Unstage(**at)]
        R.StageClear(**at)
        return [*results, R.StageSize(**at)]

    yield OpCase("Stage StagePeek StageSize Unstage StageClear", staged, (real(3, 4),), FLOATS + INTEGERS, gradient=False)

    def mapped(ordered):
        prefix = "OrderedMap" if ordered else "Map"
        op = lambda name: getattr(R, prefix + name)  # noqa: E731

        def call(x):
            at = named(dtypes=[x.dtype, tf.float32])
            for key in (5, 3):
                op("Stage")(key=tf.constant(key, tf.int64), indices=[0, 1], values=[x * key, tf.ones([2])], **at)
            op("Stage")(key=tf.constant(9, tf.int64), indices=[1], values=[tf.ones([1])], **at)
            results = [*op("Peek")(key=tf.constant(5, tf.int64), indices=[0, 1], **at), op("Size")(**at), op("IncompleteSize")(**at),
                       *op("Unstage")(key=tf.constant(3, tf.int64), indices=[0, 1], **at)]  # fmt: skip
            key, values = op("UnstageNoKey")(indices=[0, 1], **at)
            op("Clear")(**at)
            return [*results, key, *values, op("Size")(**at)]

        return call

    for ordered in (False, True):
        yield OpCase(f"MapStage and its relatives, ordered {ordered}", mapped(ordered), (real(3, 4),), ("float32", "float16", "int64"), gradient=False)

    def pushed(x):
        stack = R.StackV2(max_size=3, elem_type=x.dtype, stack_name=named()["shared_name"])
        R.StackPushV2(handle=stack, elem=x)
        R.StackPushV2(handle=stack, elem=x[::-1])
        results = [R.StackPopV2(handle=stack, elem_type=x.dtype), R.StackPopV2(handle=stack, elem_type=x.dtype)]
        R.StackCloseV2(handle=stack)
        return results

    yield OpCase("StackV2 and its relatives", pushed, (real(3, 4),), FLOATS + INTEGERS + ("bool",), gradient=False)

    def queued(x):
        queue = R.FIFOQueueV2(component_types=[x.dtype, tf.int64], **named())
        R.QueueEnqueueV2(handle=queue, components=[x, tf.constant([1, 2], tf.int64)])
        R.QueueEnqueueV2(handle=queue, components=[3 * x, tf.constant([3], tf.int64)])
        results = [*R.QueueDequeueV2(handle=queue, component_types=[x.dtype, tf.int64]), R.QueueSizeV2(handle=queue)]
        R.QueueCloseV2(handle=queue)
        return [*results, R.QueueIsClosedV2(handle=queue), *R.QueueDequeueV2(handle=queue, component_types=[x.dtype, tf.int64])]

    yield OpCase("FIFOQueueV2 and its relatives", queued, (real(3, 4),), FLOATS + INTEGERS, gradient=False)

    def locked(x):
        mutex = R.MutexV2(**named())
        lock = R.MutexLock(mutex=mutex)
        R.ConsumeMutexLock(mutex_lock=lock)
        return x * 2

    yield OpCase("MutexV2 MutexLock ConsumeMutexLock", locked, (real(3),), gradient=False)


STATE_CASES = [*_rows(), *_slices(), *_generators(), *_containers()]
