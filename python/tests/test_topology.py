import pickle

import pytest

import lplb


def test_the_four_kinds():
    assert (lplb.Topology.cube().group_size, lplb.Topology.cube().num_redundants) == (8, 2)
    assert lplb.Topology.hypercube(16).group_size == 16
    assert lplb.Topology.torus(8, 4).group_size == 32
    assert lplb.Topology.ring(8).r2o.ravel().tolist() == lplb.Topology.parse("ring:8").r2o.ravel().tolist()
    assert repr(lplb.Topology.torus(8, 4)) == "Topology(torus:8x4: 32 ranks, 2 redundant slots each)"


def test_o2r_inverts_each_column(kind):
    topology = lplb.Topology.from_r2o(kind(lplb.Topology.cube().r2o))
    assert isinstance(topology.r2o, kind.type)
    r2o, o2r = topology.r2o.tolist(), topology.o2r.tolist()
    for rank in range(8):
        for column in range(2):
            assert o2r[r2o[rank][column]][column] == rank
    assert topology.connected
    assert topology.diameter == lplb.Topology.cube().diameter
    assert topology.neighbours(0) == lplb.Topology.cube().neighbours(0)


def test_properties():
    torus = lplb.Topology.torus(2, 4)
    assert torus.degrees() == [len(torus.neighbours(rank)) for rank in range(8)]
    # Column 0 copies between the two rows, here the two nodes; column 1 stays inside.
    assert torus.num_cross_node_edges(4) == 8
    assert torus.first_columns(1).r2o.tolist() == torus.r2o[:, :1].tolist()
    with pytest.raises(ValueError, match="num_columns"):
        torus.first_columns(3)


def test_pickle(kind):
    topology = lplb.Topology.from_r2o(kind([[1], [2], [0]]), name="three")
    assert pickle.loads(pickle.dumps(topology)) == topology
    assert topology != lplb.Topology.ring(3)


def test_place_copies_the_heaviest_along_the_ring(kind):
    workload = kind([1, 9, 2, 8, 3, 7, 4, 6])
    placement = lplb.Topology.ring(4).place(workload, num_logical=8, num_physical=12, num_ranks=4)
    assert isinstance(placement.phy2log, kind.type)
    assert sorted(placement.logcnt.tolist()) == [1] * 4 + [2] * 4
    with pytest.raises(ValueError, match="workload"):
        lplb.Topology.ring(4).place(kind([1.5] * 8, "float64"), num_logical=8, num_physical=12, num_ranks=4)


def test_recommendation_says_why():
    found = lplb.recommend_topology(num_ranks=32, num_nodes=4, num_redundants=2)
    assert found.topology.group_size * found.num_groups == 32
    assert found.reason
    with pytest.raises(ValueError, match="num_redundants"):
        lplb.recommend_topology(num_ranks=32, num_nodes=4, num_redundants=0)


@pytest.mark.parametrize("r2o", [[[0], [1]], [[1], [1]], [[1], [2]], [1, 0], [[1.0], [0.0]]])
def test_what_is_no_topology_is_refused(r2o):
    with pytest.raises(ValueError, match="r2o"):
        lplb.Topology.from_r2o(r2o)
