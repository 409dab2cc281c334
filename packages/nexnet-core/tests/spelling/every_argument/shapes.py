"""The rows of ``nexnet.ops.shapes``."""

import torch

from .row import Refused, each, of, row, spread, t, x

A, B, C = x(2, 3), x(3, 3), x(2, 3, 4)
COLUMNS = t([[0, 2, 1], [1, 0, 0]])
MASK = of(lambda a: a > 0, 2, 3)


ROWS = {
    **{name: row(input=A) for name in ["alias_copy", "fliplr", "flipud", "mH", "ravel", "t", "t_copy", "trace"]},
    **{name: row(tensors=spread(x(2), x(3))) for name in ("atleast_1d", "atleast_2d", "atleast_3d", "cartesian_prod")},
    **{name: row(tensors=[x(2, 3), x(2, 3)]) for name in ("column_stack", "dstack", "hstack", "vstack")},
    **{name: row(tensors=[x(2, 3), x(2, 3)], dim=1) for name in ("cat", "stack")},
    **{name: row(input=A, memory_format=torch.contiguous_format) for name in ("clone", "contiguous")},
    **{name: row(input=x(2, 4, 4), indices_or_sections=2) for name in ("dsplit", "hsplit", "vsplit")},
    **{name: row(input=A, dim=1, start=1, length=2) for name in ("narrow", "narrow_copy")},
    **{name: row(input=C, dim0=0, dim1=2) for name in ("transpose", "transpose_copy")},
    **{name: row(input=x(1, 2, 1), dim=0) for name in ("squeeze", "squeeze_copy")},
    **{name: row(input=A, dim=1) for name in ("unsqueeze", "unsqueeze_copy")},
    **{name: row(input=A, dim=1) for name in ("unbind", "unbind_copy")},
    **{name: row(input=C, dim=1, index=2) for name in ("select", "select_copy")},
    **{name: row(input=C, dims=spread(2, 0, 1, keyword="dims")) for name in ("permute", "permute_copy")},
    **{
        name: row(input=C, split_sizes=[1, 1], dim=2).together("dim", split_sizes=[1, 3])
        for name in ("split_with_sizes", "split_with_sizes_copy")
    },
    **{
        name: row(input=C, offset=1, dim1=2, dim2=2).together("dim1", dim1=2, dim2=1)
        for name in ("diagonal", "diagonal_copy")
    },
    **{name: row(input=B, diagonal=1) for name in ("diag", "tril", "triu")},
    **{name: row(input=C, size=(2, 2), stride=(3, 1), storage_offset=1) for name in ("as_strided", "as_strided_copy")},
    **{name: row(input=A, other=x(3, 2)) for name in ("reshape_as", "view_as")},
    **{name: row(input=A).nexnets() for name in ("alias", "mT")},
    "as_strided_scatter": row(input=A, src=x(2, 2), size=(2, 2), stride=(3, 1), storage_offset=1).where_torch_is_wrong(
        "by the input"
    ),
    "block_diag": row(tensors=spread(A, x(1, 2))),
    "broadcast_tensors": row(tensors=spread(A, x(3))),
    "broadcast_to": row(input=x(3), size=(2, 3)),
    "chunk": row(input=x(4, 3), chunks=2, dim=1),
    "combinations": row(input=x(4), r=3, with_replacement=True),
    "constant_pad_nd": row(input=A, pad=(1, 2), value=0.5),
    "diag_embed": row(input=A, offset=1, dim1=0, dim2=0),
    "diagflat": row(input=A, offset=1),
    "diagonal_scatter": row(input=B, src=x(3), offset=1, dim1=1, dim2=0)
    .together("offset", src=x(2))
    .together("dim1", dim2=0)
    .together("dim2", dim1=1),
    "expand": row(input=x(3), size=spread(2, 3, keyword="size"), implicit=True),
    "expand_as": row(input=x(3), other=A),
    "expand_copy": row(input=x(3), size=(2, 3), implicit=True),
    "fill": row(input=A, value=x()),
    "flatten": row(input=C, start_dim=1, end_dim=1),
    "flip": row(input=A, dims=spread(0, 1, keyword="dims")),
    "gather": row(input=A, dim=1, index=COLUMNS, sparse_grad=True),
    "getitem": row(input=C, index=(0, slice(1, 3))).nexnets(),
    "index_add": row(input=B, dim=0, index=t([2, 0]), source=x(2, 3), alpha=2.5),
    "index_copy": row(input=B, dim=0, index=t([2, 0]), source=x(2, 3)),
    "index_fill": row(input=B, dim=0, index=t([2, 0]), value=x()),
    "index_put": row(input=B, indices=(t([2, 0, 2]),), values=x(3, 3), accumulate=True),
    "index_reduce": row(input=B, dim=0, index=t([2, 0]), source=x(2, 3), reduce="prod", include_self=False),
    "index_select": row(input=B, dim=1, index=t([2, 0])),
    "linalg_diagonal": row(A=C, offset=1, dim1=0, dim2=0),
    "masked_fill": row(input=A, mask=MASK, value=x()),
    "masked_scatter": row(input=A, mask=MASK, source=x(6)),
    "masked_select": row(input=A, mask=MASK),
    "meshgrid": row(tensors=spread(x(2), x(3)), indexing="xy").always(indexing="ij"),
    "movedim": row(input=C, source=0, destination=2),
    "pad": row(input=C, pad=(1, 2), mode=each("reflect", "replicate", "circular"), value=0.5),
    "put": row(input=A, index=t([1, 4, 1]), source=x(3), accumulate=True),
    "repeat": row(input=A, repeats=spread(2, 1, 3, keyword="repeats")),
    "repeat_interleave": row(input=A, repeats=2, dim=1, output_size=12).always(repeats=2),
    "reshape": row(input=A, shape=spread(3, 2, keyword="shape")),
    "roll": row(input=A, shifts=1, dims=1),
    "rot90": row(input=C, k=2, dims=(1, 2)),
    "scatter": row(input=A, dim=1, index=COLUMNS, src=x(2, 3), value=2.5, reduce="add")
    .always(src=x(2, 3))
    .together("value", src=0)
    .nexnets("value"),
    "scatter_add": row(input=A, dim=1, index=COLUMNS, src=x(2, 3)),
    "scatter_reduce": row(input=A, dim=1, index=COLUMNS, src=x(2, 3), reduce="prod", include_self=False),
    "select_scatter": row(input=A, src=x(2), dim=1, index=1),
    "slice_copy": row(input=x(4, 5), dim=1, start=1, end=3, step=2),
    "slice_scatter": row(input=x(4, 5), src=x(4, 5), dim=1, start=1, end=3, step=2)
    .together("start", src=x(3, 5))
    .together("end", src=x(3, 5))
    .together("step", src=x(2, 5)),
    "split": row(tensor=x(4, 3), split_size_or_sections=2, dim=1),
    "split_copy": row(input=x(4, 3), split_size=2, dim=1),
    "swapaxes": row(input=C, axis0=0, axis1=2),
    "take": row(input=A, index=t([1, 4, 1])),
    "take_along_dim": row(input=A, indices=COLUMNS, dim=1),
    "tensor_split": row(input=x(4, 3), indices_or_sections=2, dim=1),
    "tile": row(input=A, dims=spread(2, 1, keyword="dims")),
    "to": row(input=A, dtype=torch.float32, non_blocking=True, copy=True).like(
        "input, dtype, non_blocking=False, copy=False"
    ),
    "type_as": row(input=A, other=x(1, dtype=torch.float32)),
    "unflatten": row(input=x(6, 2), dim=0, sizes=(2, 3)),
    "unfold_copy": row(input=x(5, 2), dimension=0, size=2, step=1),
    "view": row(input=A, size=spread(3, 2, keyword="size"), dtype=Refused(torch.float32)),
    "view_copy": row(input=A, size=(3, 2)),
}
