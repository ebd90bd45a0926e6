package fhirtrial;

import ca.uhn.fhir.cache.BaseResourceCacheSynchronizer;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.api.model.ExpungeOptions;
import ca.uhn.fhir.rest.annotation.Operation;
import ca.uhn.fhir.rest.api.server.RequestDetails;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import org.hl7.fhir.r4.model.Parameters;
import org.springframework.context.ApplicationContext;

/** {@code POST [base]/$reset}: everything is removed, histories too. Ids go on counting. */
public final class Reset {

    private final ApplicationContext beans;

    Reset(ApplicationContext beans) {
        this.beans = beans;
    }

    @Operation(name = "$reset")
    public Parameters reset(RequestDetails request) {
        beans.getBean(IFhirSystemDao.class).expunge(new ExpungeOptions().setExpungeEverything(true), request);
        beans.getBean(ISearchParamRegistry.class).forceRefresh();
        forgetCached();
        return new Parameters();
    }

    /** The first pass marks what has gone, the second drops it; on its own it would take the server a minute each. */
    private void forgetCached() {
        for (int pass = 0; pass < 2; pass++) {
            for (BaseResourceCacheSynchronizer cache :
                    beans.getBeansOfType(BaseResourceCacheSynchronizer.class).values()) {
                cache.forceRefresh();
            }
        }
    }
}
